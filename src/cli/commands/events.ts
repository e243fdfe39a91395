/** `entrepot events list | replay`: events for other systems, and what became of them. */

import type { ListedEvent, ReplayedEvents } from '../../admin/event-commands.ts';
import type { LoadOptions } from '../../config/load.ts';
import { EntrepotError } from '../../errors.ts';
import { withAdministration } from '../administration.ts';
import type { Result } from '../output/result.ts';
import { shortTime } from '../output/short-time.ts';
import { type Column, counted, formatTable } from '../output/table.ts';

const columns: readonly Column<ListedEvent>[] = [
  { head: 'SINK', cell: ({ sink }) => sink },
  { head: 'KIND', cell: ({ kind }) => kind },
  { head: 'ABOUT', cell: ({ about, tag }) => (tag === null ? about : `${about}:${tag}`) },
  { head: 'AT', cell: ({ at }) => shortTime(at) },
  { head: 'TRIES', cell: ({ tries }) => `${tries}`, isNumber: true },
  { head: 'NEXT', cell: nextText },
  { head: 'WHY', cell: ({ reason, tries }) => reason ?? (tries === 0 ? 'it was not tried yet' : '') },
];

function nextText({ state, next }: ListedEvent): string {
  if (state === 'dead') return 'none';
  return next === null ? 'after the one before' : shortTime(next);
}

interface ReplayFlags {
  readonly dead?: true;
  readonly sink?: string;
  readonly since?: string;
}

/** The events that wait, or with `dead` those that were given up. */
export async function listEvents(
  flags: { readonly sink?: string; readonly dead?: true },
  options: LoadOptions,
): Promise<Result> {
  const events = await withAdministration(options, (all) => Array.fromAsync(all.events.list(flags)));
  const text = events.length === 0 ? 'no such events\n' : formatTable(columns, events);
  return { exitCode: 0, json: events, text };
}

/** Throws EntrepotError USAGE unless the flags are `--dead`, alone or with `--sink`, or `--sink` with `--since`. */
export async function replayEvents(flags: ReplayFlags, options: LoadOptions): Promise<Result> {
  const { replayed } = await withAdministration(options, (all) => all.events.replay(readReplayed(flags)));
  return { exitCode: 0, json: { replayed }, text: `${counted(replayed, 'event')} due now\n` };
}

function readReplayed({ dead, sink, since }: ReplayFlags): ReplayedEvents {
  if (dead && since === undefined) return { dead, sink };
  if (!dead && sink !== undefined && since !== undefined) return { sink, since };
  throw new EntrepotError(
    'USAGE',
    'use --dead for events that were given up, or --sink NAME with --since TIME',
  );
}
