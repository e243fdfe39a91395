/** Objects of an OpenShift cluster applied to a registries.conf, and the result as short texts. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyPolicies } from '../../src/config/policies/apply-policies.ts';
import type { PolicyObject } from '../../src/config/policies/policy-object.ts';
import { readObjects } from '../../src/config/policies/read-objects.ts';
import { loadRegistries } from '../../src/config/registries-conf/load.ts';
import type {
  MirrorEntry,
  RegistriesConf,
  RegistryEntry,
} from '../../src/config/registries-conf/registries.ts';
import { type EntrepotError, joinErrors } from '../../src/errors.ts';
import { asYaml, manifestsOf, type ShortObjects } from './cluster-objects.ts';
import { type Cleanup, tempFolder } from './temp-folder.ts';

/** The entries that are in force (`entryText`). Throws one EntrepotError for everything that is wrong. */
export function render(
  test: Cleanup,
  { conf = '', ...objects }: ShortObjects & { readonly conf?: string },
): readonly string[] {
  const read = objectsOf(asYaml(manifestsOf(objects)));
  return applyPolicies(registriesOf(test, conf), read).conf.entries.map(entryText);
}

export function registriesOf(test: Cleanup, text: string): RegistriesConf {
  const registries = join(tempFolder(test), 'registries.conf');
  writeFileSync(registries, text);
  return loadRegistries({ registries, env: {}, home: '/', uid: 1 }).registries;
}

/** The objects of a file `o.yaml`. Throws one EntrepotError for everything that is wrong. */
export function objectsOf(text: string): readonly PolicyObject[] {
  const errors: EntrepotError[] = [];
  const objects = readObjects(text, 'o.yaml', { warnings: [], errors });
  if (errors.length > 0) throw joinErrors(errors);
  return objects;
}

/**
 * `PREFIX (LOCATION) FLAGS: MIRROR FLAGS, ...`; the location is left out if it is the prefix, or empty after a wildcard.
 */
export function entryText({ prefix, location, insecure, blocked, mirrors }: RegistryEntry): string {
  const isUsual = location === prefix || (location === '' && prefix.startsWith('*.'));
  const head = [
    prefix,
    ...(isUsual ? [] : [`(${location})`]),
    ...(insecure ? ['insecure'] : []),
    ...(blocked ? ['blocked'] : []),
  ];
  return mirrors.length === 0 ? head.join(' ') : `${head.join(' ')}: ${mirrors.map(mirrorText).join(', ')}`;
}

function mirrorText({ location, pullFromMirror, insecure }: MirrorEntry): string {
  const restriction = { all: '', 'digest-only': ' digest', 'tag-only': ' tag' }[pullFromMirror];
  return `${location}${restriction}${insecure ? ' insecure' : ''}`;
}
