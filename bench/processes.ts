/** What processes have cost so far, from proc(5). */
import { readdirSync, readFileSync } from 'node:fs';
import { run } from '../test/support/processes.ts';

/** MiB of a process, from proc(5): `VmRSS` is what it holds now, `VmHWM` the most it held. */
export function memoryOf(pid: number, name: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const [, kibibytes = '0'] = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status) ?? [];
  return Number(kibibytes) / 1024;
}

/** Unit of the times in /proc/PID/stat, in ms: a hundredth of a second on every Linux. */
const tick = 10;

/** Milliseconds of processor time of a process and those that it started, in user and kernel mode. */
export function processorTime(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name before it is in parentheses, and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const own = (Number(fields[11]) + Number(fields[12])) * tick;
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return children.reduce((sum, child) => sum + processorTime(child), own);
}

/**
 * Milliseconds of processor time of a program that runs to its end, its children included. Its variables are `PATH` and those that
 * name `home`. Rejects with its own words when it fails.
 */
export async function timeSpentBy(command: readonly string[], home: string): Promise<number> {
  const script = '"$@" >&2; code=$?; times; exit $code';
  const { code, stdout, stderr } = await run('bash', ['-c', script, 'bash', ...command], {
    inherit: ['PATH'],
    env: { HOME: home, XDG_RUNTIME_DIR: home, TMPDIR: home },
  });
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}:\n${stderr.slice(-2000)}`);
  // The second line of `times`: user and system time of the children.
  const spent = [...(stdout.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  const parts = spent.map(([, minutes, seconds]) => (Number(minutes) * 60 + Number(seconds)) * 1000);
  return parts.reduce((sum, ms) => sum + ms, 0);
}
