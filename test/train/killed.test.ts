import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { openFile } from '../../src/load/bytes-node.ts';
import { openSafetensorsFile } from '../../src/load/safetensors-file.ts';
import { seededRandom } from '../../src/random.ts';
import { bundled } from './child.ts';

const kills = Number(process.env.SINKLAB_KILLS ?? 4);
/** Steps that one life of the process may take before it is killed, and more. */
const steps = 12 * (kills + 1);

async function folderForTest(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sinklab-killed-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Every checkpoint under its own name can be read to the last byte. */
async function checkWhole(folder: string): Promise<void> {
  for (const name of (await readdir(folder)).filter((found) => found.startsWith('step-'))) {
    expect((await readdir(join(folder, name))).sort()).toEqual(['state.safetensors', 'training.json']);
    const { step } = JSON.parse(await readFile(join(folder, name, 'training.json'), 'utf8'));
    expect(`step-${String(step).padStart(8, '0')}`).toBe(name);
    const file = await openSafetensorsFile(await openFile(join(folder, name, 'state.safetensors')));
    for (const tensor of file.tensors.keys()) expect((await file.read(tensor)).every(Number.isFinite)).toBe(true);
    await file.close();
  }
}

it(`ends with the same bytes after kill −9 at ${kills} random moments as undisturbed, and no half-written checkpoint is ever seen (SINKLAB_KILLS: how many)`, async () => {
  const program = await bundled('run');
  const [calm, disturbed] = [await folderForTest(), await folderForTest()];
  const undisturbed = promisify(execFile)(process.execPath, [program, calm, String(steps)]);
  const seed = Date.now() % 2 ** 32;
  const random = seededRandom(seed);
  for (let i = 0; i < kills; i++) {
    const child = spawn(process.execPath, [program, disturbed, String(steps)], { stdio: ['ignore', 'pipe', 'ignore'] });
    const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('exit', (_, signal) => resolve(signal)));
    const kill = () => child.kill('SIGKILL');
    // Every fourth while it starts and reads the last checkpoint; the others during the steps, much of whose time is spent in saving.
    if (i % 4 === 3) setTimeout(kill, 400 * random());
    else child.stdout.once('data', () => setTimeout(kill, 40 * random()));
    expect(await ended, `seed ${seed}, kill ${i + 1}`).toBe('SIGKILL');
    await checkWhole(disturbed);
  }
  await undisturbed;
  await promisify(execFile)(process.execPath, [program, disturbed, String(steps)]);
  for (const file of ['state.safetensors', 'training.json']) {
    const last = `step-${String(steps).padStart(8, '0')}`;
    const [a, b] = await Promise.all([calm, disturbed].map((folder) => readFile(join(folder, last, file))));
    expect(a!.equals(b!), `${file}, seed ${seed}`).toBe(true);
  }
}, 120_000);
