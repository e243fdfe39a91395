/** The real program, in a process of its own, before fake registries in this one: what can be killed and weighed. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ColdBlobs, overlook, registriesConf } from './cold-blobs.ts';
import type { FakeRegistry } from './fake-registry.ts';
import { type RunningEntrepot, startEntrepot } from './processes.ts';
import type { Cleanup } from './temp-folder.ts';

export type ProgramOnBlobs = Omit<ColdBlobs, 'proxy'> & {
  readonly proxy: { readonly url: string; readonly data: string };
  readonly program: RunningEntrepot;
};

/** Starts it on `folder`, where an earlier one may have left its data; killed when the test is over. */
export async function startProgramOnBlobs(
  test: Cleanup,
  folder: string,
  registries: readonly FakeRegistry[],
  toml = '',
): Promise<ProgramOnBlobs> {
  const data = join(folder, 'data');
  mkdirSync(data, { recursive: true });
  writeFileSync(join(folder, 'registries.conf'), registriesConf(registries.map(({ host }) => host)));
  writeFileSync(join(folder, 'entrepot.toml'), toml);
  const program = await startEntrepot({
    args: [
      '--registries',
      join(folder, 'registries.conf'),
      '--config',
      join(folder, 'entrepot.toml'),
      '--data',
      data,
    ],
    ready: /"listening"/,
  });
  test.after(async () => {
    await program.stop('SIGKILL');
  });
  return { ...overlook({ url: program.url, data }, registries), program };
}

/** Kibibytes of memory that a process holds now (VmRSS), or has ever held at once (VmHWM). Linux only. */
export function memoryOf(pid: number, which: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${which}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
}
