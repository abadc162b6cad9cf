import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LoadError } from '../error.ts';
import { openFile } from '../load/bytes-node.ts';
import { openSafetensorsFile } from '../load/safetensors-file.ts';
import { parseJsonObject } from '../load/strict-json.ts';
import { writeSafetensors } from '../load/write-safetensors-node.ts';
import { type CheckpointStore, parseRecord, readState, stateTensors } from './checkpoint.ts';
import { removeFolder, writeFolderAtomically, writeText } from './folder-node.ts';

const complete = /^step-(\d{8,})$/;

export interface CheckpointFolderOptions {
  /** Checkpoints kept, the newest ones. Default 2. */
  readonly keep?: number;
}

/**
 * Checkpoints in a folder: `step-00001000/` with `state.safetensors` (parameters and slots) and `training.json`. Each is written under a
 * temporary name and renamed when it is whole, so a name that can be seen is complete; older ones go once the new one is there. After a
 * kill at any moment the newest is found again, and what was half written is swept away by the next save.
 */
export function checkpointFolder(folder: string, { keep = 2 }: CheckpointFolderOptions = {}): CheckpointStore {
  const steps = async () => {
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw new LoadError(`${folder}: cannot be read as a folder (${error.code})`);
    });
    return names.filter((name) => complete.test(name)).sort((a, b) => stepOf(b) - stepOf(a));
  };
  return {
    async save(snapshot, parameters) {
      await mkdir(folder, { recursive: true });
      const { record } = snapshot;
      await writeFolderAtomically(join(folder, `step-${String(record.step).padStart(8, '0')}`), async (inside) => {
        await writeSafetensors(join(inside, 'state.safetensors'), stateTensors(snapshot, parameters));
        await writeText(join(inside, 'training.json'), `${JSON.stringify(record, null, 2)}\n`);
      });
      for (const old of (await steps()).slice(Math.max(1, keep))) await removeFolder(join(folder, old));
    },
    async latest(parameters, optimizer) {
      const [name] = await steps();
      if (name === undefined) return undefined;
      const path = join(folder, name);
      const place = join(path, 'training.json');
      const text = await readFile(place).catch((error: NodeJS.ErrnoException) => {
        throw new LoadError(`${place}: cannot be read (${error.code}); remove ${path} to go on from the one before`);
      });
      const record = parseRecord(parseJsonObject(new Uint8Array(text), place), place);
      if (record.step !== stepOf(name)) throw new LoadError(`${place}: says step ${record.step}, the folder ${name}`);
      const file = await openSafetensorsFile(await openFile(join(path, 'state.safetensors')));
      try {
        const state = await readState(file, record.step, parameters, optimizer, join(path, 'state.safetensors'));
        return { state, record };
      } finally {
        await file.close();
      }
    },
  };
}

const stepOf = (name: string) => Number(complete.exec(name)![1]);
