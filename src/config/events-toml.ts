/** `[[events.in]]` of entrepot.toml. docs/events.md explains each key. */
import { type EventSender, eventFormats } from './event-senders.ts';
import { createBlockNames } from './toml/block-names.ts';
import type { StrictTable } from './toml/strict-table.ts';
import * as kind from './toml/value-kinds.ts';

/** As GitHub names it; other senders of signatures follow. */
const usualSignature = 'x-hub-signature-256';

const headerName: kind.ValueKind<string> = {
  expected: 'the name of a header, such as "X-Hub-Signature-256"',
  read: (value) =>
    typeof value === 'string' && /^[A-Za-z0-9-]{1,64}$/.test(value) ? value.toLowerCase() : undefined,
};

/** One sender for each `[[events.in]]` that has what it needs. `path`: the kind of a path that is relative to the working folder. */
export function readEventSenders(
  tables: readonly StrictTable[],
  path: kind.ValueKind<string>,
): readonly EventSender[] {
  const nameOf = createBlockNames('events.in');
  return tables.flatMap((table) => {
    const name = nameOf(table);
    const format = table.required('format', kind.oneOf(...eventFormats));
    const secretFile = table.required('secret_file', path);
    const registry = table.required('registry', kind.registry);
    const rest = {
      match: table.value('match', kind.pattern, '**'),
      signatureHeader: table.value('signature_header', headerName, usualSignature),
      secretInPath: table.value('secret_in_path', kind.flag, false),
    };
    if (name === undefined || format === undefined || secretFile === undefined || registry === undefined)
      return [];
    return [{ name, format, secretFile, registry, ...rest }];
  });
}
