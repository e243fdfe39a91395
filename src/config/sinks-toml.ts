/** `[[events.out]]` of entrepot.toml. docs/events.md explains each key. */
import { type EventSink, eventKinds, type SinkFormat, sinkFormats } from './event-sink.ts';
import { createBlockNames } from './toml/block-names.ts';
import type { StrictTable } from './toml/strict-table.ts';
import * as kind from './toml/value-kinds.ts';

const usualTimeout = 10_000;
const usual = ['push', 'delete'] as const;
/** What the notifications of distribution have an action for. */
const known: Readonly<Record<SinkFormat, readonly string[]>> = {
  distribution: usual,
  cloudevents: eventKinds,
};

/** Path and query may hold a secret of the receiver: no output shows them. */
const sinkUrl: kind.ValueKind<string> = { ...kind.webUrl, secret: true, show: shownSinkUrl };

/** `https://audit.corp/...`. */
export function shownSinkUrl(url: string): string {
  const { origin, pathname, search } = new URL(url);
  return pathname === '/' && search === '' ? origin : `${origin}/...`;
}

/** One sink for each `[[events.out]]` that has what it needs. `path`: the kind of a path that is relative to the working folder. */
export function readEventSinks(
  tables: readonly StrictTable[],
  path: kind.ValueKind<string>,
): readonly EventSink[] {
  const nameOf = createBlockNames('events.out');
  return tables.flatMap((table) => {
    const name = nameOf(table);
    const url = table.required('url', sinkUrl);
    const format = table.required('format', kind.oneOf(...sinkFormats));
    const on = table.list('on', kind.oneOf(...eventKinds), usual);
    if (on.length === 0)
      table.problem('on', 'events.out.on is empty, so nothing would be sent: leave it out');
    const foreign = format && on.find((one) => !known[format].includes(one));
    if (foreign !== undefined) {
      const message = `events.out.on: "${foreign}" has no form in the format "${format}", which knows ${usual.join(' and ')}: use format = "cloudevents"`;
      table.problem('on', message);
    }
    const rest = {
      secretFile: table.value('secret_file', path),
      match: table.value('match', kind.pattern, '**'),
      timeout: table.value('timeout', kind.wait, usualTimeout),
    };
    if (name === undefined || url === undefined || format === undefined) return [];
    return [{ name, url, format, on: [...new Set(on)], ...rest }];
  });
}
