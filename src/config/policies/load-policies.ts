/**
 * The objects of a cluster, as they were seen in it (`cluster-objects.ts`), and the folder of `--policies`: every `*.yaml`, `*.yml` and `*.json` in it, in the order of their names. Folders in it are not
 * read. As with `registries.conf`, one wrong file makes the whole configuration unusable: half of the objects could omit a block.
 */
import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, EntrepotError } from '../../errors.ts';
import { systemCode } from '../../lib/thrown.ts';
import type { ConfigWarning } from '../config.ts';
import { isMissing, readTextFile } from '../files/text-file.ts';
import type { RegistriesConf } from '../registries-conf/registries.ts';
import { applyPolicies } from './apply-policies.ts';
import { type ObjectsText, readSeenObjects, seenObjectsFile } from './cluster-objects.ts';
import { objectLabel } from './object-fields.ts';
import type { PolicyObject } from './policy-object.ts';
import { readObjects } from './read-objects.ts';

/** The configuration with the objects in force. */
export interface LoadedPolicies {
  readonly conf: RegistriesConf;
  readonly objects: readonly PolicyObject[];
  /** The files that were read, in order. */
  readonly files: readonly string[];
}

/** What was found besides the objects. */
export interface PolicyFindings {
  readonly warnings: ConfigWarning[];
  readonly errors: EntrepotError[];
}

/** Where objects come from: a folder, a cluster, or both, which count together. */
export interface PolicySources {
  readonly folder: string | undefined;
  /** `given` counts, or else what the data folder remembers. */
  readonly cluster: { readonly data: string; readonly given: ObjectsText | undefined } | undefined;
}

/** Reads the objects and applies them to `conf`. Undefined if something is wrong: `findings.errors` then has all of it. */
export function loadPolicies(
  { folder, cluster }: PolicySources,
  conf: RegistriesConf,
  findings: PolicyFindings,
): LoadedPolicies | undefined {
  const { warnings, errors } = findings;
  const before = errors.length;
  const texts = [
    ...(folder === undefined ? [] : (attempt(errors, () => textsOf(folder, findings)) ?? [])),
    ...(cluster ? (attempt(errors, () => clusterTexts(cluster, warnings)) ?? []) : []),
  ];
  const objects = texts.flatMap(
    ({ text, file }) => attempt(errors, () => readObjects(text, file, findings)) ?? [],
  );
  if (errors.length > before) return undefined;
  const files = texts.map(({ file }) => file);
  warnOfRepeated(objects, warnings);
  const applied = attempt(errors, () => applyPolicies(conf, objects));
  warnings.push(...(applied?.warnings ?? []));
  return applied && { conf: applied.conf, objects, files };
}

/** A file that cannot be read does not keep the others from being checked. */
function textsOf(folder: string, { warnings, errors }: PolicyFindings): readonly ObjectsText[] {
  const texts = policyFiles(folder).flatMap((file) => {
    const text = attempt(errors, () => readTextFile(file));
    return text === undefined ? [] : [{ file, text }];
  });
  if (texts.length === 0) {
    warnings.push({ file: folder, message: 'holds no *.yaml, *.yml or *.json: no policies are in force' });
  }
  return texts;
}

/** Before a server has seen the cluster, a command can only say so. The server itself does not serve then. */
function clusterTexts(
  { data, given }: NonNullable<PolicySources['cluster']>,
  warnings: ConfigWarning[],
): readonly ObjectsText[] {
  const known = given ?? readSeenObjects(data);
  if (known) return [known];
  const message =
    'does not exist yet: no server has read the objects of the cluster, so none is applied here';
  warnings.push({ file: seenObjectsFile(data), message });
  return [];
}

function policyFiles(folder: string): readonly string[] {
  return list(folder)
    .filter((entry) => !entry.isDirectory() && /\.(?:ya?ml|json)$/.test(entry.name))
    .map(({ name }) => name)
    .sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    .map((name) => join(folder, name));
}

function list(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    const code = systemCode(error);
    const problem = isMissing(error)
      ? 'does not exist'
      : code === 'ENOTDIR'
        ? 'is no folder'
        : `cannot be listed: ${code ?? String(error)}`;
    const message = `${problem}: correct --policies, ENTREPOT_POLICIES or the key policies, which name the folder of policies`;
    throw new EntrepotError('CONFIG_UNREADABLE', message, { file: folder, cause: error });
  }
}

/** A cluster has one object of each kind and name, and one Image, `cluster`. Here all count. */
function warnOfRepeated(objects: readonly PolicyObject[], warnings: ConfigWarning[]): void {
  const firsts = new Map<string, PolicyObject>();
  for (const object of objects) {
    const { kind, name, origin } = object;
    const { file, line } = origin;
    const label = objectLabel(origin.object);
    const key = kind === 'Image' ? kind : `${kind}/${name}`;
    const first = firsts.get(key);
    if (!first) firsts.set(key, object);
    if (first && name !== '') {
      const place = `${first.origin.file}:${first.origin.line}`;
      warnings.push({
        file,
        line,
        message: `${label}: ${objectLabel(first.origin.object)} is in ${place}, too: both count`,
      });
    }
    if (kind === 'Image' && name !== '' && name !== 'cluster') {
      warnings.push({
        file,
        line,
        message: `${label}: OpenShift reads only the Image "cluster"; here this one counts, too`,
      });
    }
  }
}
