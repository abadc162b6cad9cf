import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, LoadError } from '../error.ts';
import { writeText } from '../train/folder-node.ts';
import { type Shard, type ShardStore, shardKey } from './shard.ts';

/** Results of more than this are not read. */
const mostBytes = 64 * 2 ** 20;

/**
 * Results in a folder, `EXPERIMENT/KEY.json` with the shard beside its result; written under another name first, so that several processes
 * may share it. Throws a LoadError for a file that is not one of these, an InputError where the folder cannot be made.
 */
export function folderStore(folder: string): ShardStore {
  const place = async (shard: Shard) => join(folder, shard.experiment, `${await shardKey(shard)}.json`);
  return {
    async get(shard) {
      const file = await place(shard);
      let text: string;
      try {
        if ((await stat(file)).size > mostBytes)
          throw new LoadError(`${file}: larger than any result; remove it to run its shard again`);
        text = await readFile(file, 'utf8');
      } catch (error) {
        if (error instanceof LoadError) throw error;
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw new LoadError(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
      }
      try {
        return (JSON.parse(text) as { result?: unknown }).result;
      } catch {
        throw new LoadError(`${file}: not JSON; remove it to run its shard again`);
      }
    },
    async put(shard, result) {
      const file = await place(shard);
      try {
        await mkdir(join(folder, shard.experiment), { recursive: true });
      } catch (error) {
        throw new InputError(`${folder}: cannot be made (${(error as NodeJS.ErrnoException).code})`);
      }
      await writeText(file, `${JSON.stringify({ shard, result })}\n`);
    },
  };
}
