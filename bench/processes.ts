/** What processes have cost so far, from proc(5). */
import { readdirSync, readFileSync } from 'node:fs';

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
