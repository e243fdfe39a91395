/** `[[gate]]` of entrepot.toml. docs/gates.md explains each key. */
import {
  type GateConfig,
  type GateOccasion,
  gateOccasions,
  scannerFormats,
  severities,
} from './gates/gate-config.ts';
import { shownSinkUrl } from './sinks-toml.ts';
import { createBlockNames } from './toml/block-names.ts';
import type { StrictTable } from './toml/strict-table.ts';
import * as kind from './toml/value-kinds.ts';

const usualTimeout = 30_000;
const hour = 3_600_000;

/** Path and query may hold a secret of the receiver: no output shows them. */
const scannerUrl: kind.ValueKind<string> = { ...kind.webUrl, secret: true, show: shownSinkUrl };

const vulnerability: kind.ValueKind<string> = {
  expected: 'the name of a vulnerability, such as "CVE-2024-0001"',
  read: (value) => (typeof value === 'string' && /^[\w.:-]{1,100}$/.test(value) ? value : undefined),
};

/** One gate for each `[[gate]]` that has what it needs. `path`: the kind of a path that is relative to the working folder. */
export function readGates(
  tables: readonly StrictTable[],
  path: kind.ValueKind<string>,
): readonly GateConfig[] {
  const nameOf = createBlockNames('gate');
  return tables.flatMap((table): readonly GateConfig[] => {
    const name = nameOf(table);
    const which = table.required('kind', kind.oneOf('signature', 'scanner'));
    const on = table.list<GateOccasion>('on', kind.oneOf(...gateOccasions), ['pull']);
    if (on.length === 0) table.problem('on', 'gate.on is empty, so nothing would be checked: leave it out');
    const common = {
      match: table.value('match', kind.pattern, '**'),
      on: [...new Set(on)],
      timeout: table.value('timeout', kind.wait, usualTimeout),
    };
    if (which === undefined) return [];
    if (which === 'signature') {
      const gate = {
        kind: which,
        ...common,
        keep: table.value('keep', kind.age, hour),
        policy: table.value('policy', path, '/etc/containers/policy.json'),
        registriesD: table.value('registries_d', path, '/etc/containers/registries.d'),
        bundles: table.value('bundles', kind.flag, false),
      };
      return name === undefined ? [] : [{ name, ...gate }];
    }
    const url = table.required('url', scannerUrl);
    const fail = table.required('fail', kind.oneOf('open', 'closed'));
    const gate = {
      kind: which,
      ...common,
      keep: table.value('keep', kind.age, 24 * hour),
      format: table.value('format', kind.oneOf(...scannerFormats), 'webhook'),
      secretFile: table.value('secret_file', path),
      severity: table.value('severity', kind.oneOf(...severities), 'high'),
      ignore: table.list('ignore', vulnerability),
      contentUrl: table.value('content_url', kind.webUrl)?.replace(/\/+$/, ''),
      contentSecretFile: table.value('content_secret_file', path),
    };
    if (gate.format === 'clair' && gate.contentUrl === undefined) {
      const message = 'gate.content_url is missing: Clair fetches layers from this server';
      table.problem('content_url', message);
    }
    return name === undefined || url === undefined || fail === undefined
      ? []
      : [{ name, url, fail, ...gate }];
  });
}
