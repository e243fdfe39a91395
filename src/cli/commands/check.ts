/**
 * `entrepot check`: the registries that are served, the settings in force with their sources, and last the warnings and errors of the
 * configuration and of its accounts. A file that cannot be read at all has errors only: no defaults are shown in its place. Contacts no host.
 */

import { checkAccess } from '../../access/check-access.ts';
import { configAsJson, nextRun } from '../../admin/config-as-json.ts';
import { checkFacts } from '../../cache/shared/check-facts.ts';
import { checkConfig } from '../../config/check.ts';
import type { EventSender } from '../../config/event-senders.ts';
import type { EventSink } from '../../config/event-sink.ts';
import type { GateConfig } from '../../config/gates/gate-config.ts';
import type { LoadOptions } from '../../config/load.ts';
import type { SettingInForce, SettingSource } from '../../config/settings.ts';
import { shownSinkUrl } from '../../config/sinks-toml.ts';
import type { SyncBlock } from '../../config/sync-config.ts';
import { formatDuration } from '../../config/toml/units.ts';
import { placementsAsText } from '../output/placement-list.ts';
import { policiesAsText } from '../output/policy-list.ts';
import { registriesAsText } from '../output/registry-list.ts';
import { errorAsJson, type Result } from '../output/result.ts';
import { type Column, counted, formatTable } from '../output/table.ts';

/** Exit code 2 if the configuration cannot be used. Throws nothing that a user can cause. */
export async function check(options: LoadOptions): Promise<Result> {
  const found = checkConfig(options);
  const accounts = await checkAccess(found);
  const { settings } = found;
  const { stores, syncs, eventSenders, eventSinks, gates } = found.server;
  const files = [...found.files, ...accounts.files];
  const warnings = [...found.warnings, ...accounts.warnings];
  const errors = [...found.errors, ...accounts.errors, ...checkFacts(found.server)];
  const lines = [
    ...files.map((file) => `read ${file}`),
    `FIPS: ${found.fips ? '' : 'not '}in force`,
    '',
    registriesAsText(found),
    ...policiesAsText(found),
    ...(stores.length === 0 ? [] : [placementsAsText(found.server)]),
    ...(syncs.length === 0 ? [] : [formatTable(syncColumns, syncs)]),
    ...(eventSenders.length === 0 ? [] : [formatTable(senderColumns, eventSenders)]),
    ...(eventSinks.length === 0 ? [] : [formatTable(sinkColumns, eventSinks)]),
    ...(gates.length === 0 ? [] : [formatTable(gateColumns, gates)]),
    settings ? formatTable(settingColumns, settings) : 'settings: none, because of the errors below\n',
    // Last, since a terminal shows the end.
    ...warnings.map((warning) => located(warning, 'warning')),
    ...errors.map((error) => located(error, 'error')),
    `${counted(errors.length, 'error')}, ${counted(warnings.length, 'warning')}`,
  ];
  return {
    exitCode: errors.length === 0 ? 0 : 2,
    json: {
      ...configAsJson({ ...found, files, warnings }, Date.now()),
      fips: found.fips,
      errors: errors.map(errorAsJson),
    },
    text: `${lines.join('\n')}\n`,
  };
}

const settingColumns: readonly Column<SettingInForce>[] = [
  { head: 'setting', cell: ({ key }) => key },
  { head: 'in force', cell: ({ value }) => (value === null ? '-' : JSON.stringify(value)) },
  { head: 'from', cell: ({ from }) => fromText(from) },
];

const syncColumns: readonly Column<SyncBlock>[] = [
  { head: 'sync', cell: ({ name }) => name },
  { head: 'source', cell: ({ source }) => source },
  { head: 'runs', cell: runsText },
];

/** The time in UTC shows whether an expression and its time zone mean what they were written for. */
function runsText(block: SyncBlock): string {
  const { when } = block;
  if (when === undefined) return 'by command or event';
  if ('every' in when) return `every ${formatDuration(when.every)}`;
  return `${when.cron} ${when.timezone}, next ${nextRun(block, Date.now())?.replace(/(.{10})T(.{5}).*/, '$1 $2Z') ?? 'never'}`;
}

const senderColumns: readonly Column<EventSender>[] = [
  { head: 'events from', cell: ({ name }) => name },
  { head: 'path', cell: ({ name }) => `/events/${name}` },
  { head: 'format', cell: ({ format }) => format },
  { head: 'registry', cell: ({ registry }) => registry },
  { head: 'match', cell: ({ match }) => match },
];

const sinkColumns: readonly Column<EventSink>[] = [
  { head: 'events to', cell: ({ name }) => name },
  { head: 'url', cell: ({ url }) => shownSinkUrl(url) },
  { head: 'format', cell: ({ format }) => format },
  { head: 'on', cell: ({ on }) => on.join(', ') },
  { head: 'match', cell: ({ match }) => match },
];

const gateColumns: readonly Column<GateConfig>[] = [
  { head: 'gate', cell: ({ name }) => name },
  { head: 'kind', cell: ({ kind }) => kind },
  { head: 'match', cell: ({ match }) => match },
  { head: 'on', cell: ({ on }) => on.join(', ') },
  { head: 'by', cell: (gate) => (gate.kind === 'signature' ? gate.policy : shownSinkUrl(gate.url)) },
];

function fromText(from: SettingSource): string {
  switch (from.kind) {
    case 'flag':
      return from.name;
    case 'variable':
      return `the variable ${from.name}`;
    case 'file':
      return `${from.file}:${from.line}`;
    case 'default':
      return 'default';
  }
}

interface Finding {
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly message: string;
}

/** `FILE:LINE: error: MESSAGE`: editors can jump to it. */
function located({ file, line, message }: Finding, kind: string): string {
  return (
    [file, line].filter((part) => part !== undefined).join(':') +
    (file === undefined ? '' : ': ') +
    `${kind}: ${message}`
  );
}
