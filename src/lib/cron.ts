/** Times of cron expressions, for schedules and for the check of the configuration. Its timers are not used. */
import { Cron } from 'croner';
import { reasonOf } from './thrown.ts';

/** Epoch ms of the first time after `after`, undefined where there is none any more. Throws for what `cronProblem` names. */
export function nextCron(cron: string, timezone: string, after: number): number | undefined {
  return new Cron(cron, { timezone, paused: true }).nextRun(new Date(after))?.getTime();
}

// croner also reads six and seven fields; its first one is then the second.
const fiveFields =
  'it has five fields (minute, hour, day of the month, month, day of the week), such as "15 2 * * *", or is a name such as "@daily"';

/** What is wrong with a cron expression or a time zone, in words. An expression without any time to come is wrong, too. */
export function cronProblem(cron: string, timezone: string, now: number): string | undefined {
  const unknown = timezoneProblem(timezone);
  if (unknown !== undefined) return unknown;
  if (!/^(@\S+|\S+(\s+\S+){4})$/.test(cron.trim())) return fiveFields;
  try {
    return nextCron(cron, timezone, now) === undefined ? 'names no time that will ever come' : undefined;
  } catch (error) {
    return reasonOf(error).replace(/^Cron\w*: /, '');
  }
}

/** What is wrong with the name of a time zone, in words. */
export function timezoneProblem(name: string): string | undefined {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return undefined;
  } catch {
    return `no time zone is named ${JSON.stringify(name)}`;
  }
}
