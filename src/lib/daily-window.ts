/** A part of each day in a time zone, such as `20:00-06:00`. */
import { nextCron } from './cron.ts';

export interface DailyWindow {
  /** `HH:MM`, from which on it is open. */
  readonly from: string;
  /** `HH:MM`, at which it is closed again; before `from`: on the next day. */
  readonly to: string;
  /** An IANA name. */
  readonly timezone: string;
}

/** Reads `20:00-06:00`; undefined for anything else, and for a window that is always or never open. */
export function readDailyWindow(text: string): Omit<DailyWindow, 'timezone'> | undefined {
  const time = '(?:[01]\\d|2[0-3]):[0-5]\\d';
  const [, from, to] = new RegExp(`^(${time})-(${time})$`).exec(text) ?? [];
  return from === undefined || to === undefined || from === to ? undefined : { from, to };
}

/** Whether the window is open at `now`, and when that changes next; epoch ms. */
export function windowAt({ from, to, timezone }: DailyWindow, now: number) {
  const next = (time: string): number => {
    const [hour, minute] = time.split(':').map(Number);
    // Every day has each time once: what a time zone skips comes later on that day.
    return nextCron(`${minute} ${hour} * * *`, timezone, now) ?? Number.POSITIVE_INFINITY;
  };
  const opens = next(from);
  const closes = next(to);
  return { isOpen: closes < opens, changes: Math.min(opens, closes) };
}
