/** The unit of deploy/systemd for the package: the places of its files, and its user instead of one that comes and goes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What changes, line by line; each must be there. */
const changes: readonly (readonly [from: RegExp, to: string])[] = [
  [
    /^# Entrepot as a service, [\s\S]*?(?=^\[Unit\])/m,
    '# Put settings of this machine in a drop-in: systemctl edit entrepot\n',
  ],
  [/\/usr\/bin\/node/g, '/usr/lib/entrepot/node'],
  [/\/opt\/entrepot\//g, '/usr/lib/entrepot/'],
  [/^DynamicUser=yes$/m, 'User=entrepot\nGroup=entrepot\nRemoveIPC=yes'],
];

/** Text of the unit. Throws if the unit of deploy/systemd has changed so that one of the changes finds nothing. */
export function packagedUnit(checkout: string): string {
  let unit = readFileSync(join(checkout, 'deploy/systemd/entrepot.service'), 'utf8');
  for (const [from, to] of changes) {
    const changed = unit.replace(from, to);
    if (changed === unit) throw new Error(`deploy/systemd/entrepot.service has no ${from}`);
    unit = changed;
  }
  return unit;
}
