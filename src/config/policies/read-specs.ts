/** `spec` of each kind of object, with the checks that the API server makes by the schema. */

import { type ObjectFields, type ObjectReading, quoted, warnOf } from './object-fields.ts';
import type { ImageConfig, MirrorList, MirrorSet, Placed } from './policy-object.ts';
import { isScope, isSource } from './scopes.ts';

const listFields: Readonly<Record<MirrorSet['kind'], string>> = {
  ImageContentSourcePolicy: 'repositoryDigestMirrors',
  ImageDigestMirrorSet: 'imageDigestMirrors',
  ImageTagMirrorSet: 'imageTagMirrors',
};

/** Fields of the Image that are about other things than pulls of nodes. */
const otherImageFields = ['allowedRegistriesForImport', 'externalRegistryHostnames', 'imageStreamImportMode'];

/** Throws EntrepotError CONFIG_INVALID. */
export function readMirrorSet(
  kind: MirrorSet['kind'],
  spec: ObjectFields,
  reading: ObjectReading,
): readonly MirrorList[] {
  const lists = spec.maps(listFields[kind]).map((fields): MirrorList => {
    const source = fields.text('source');
    if (!source) throw fields.invalid(undefined, 'a list of mirrors has no source');
    const mirrors = fields.texts('mirrors') ?? [];
    const isOld = kind === 'ImageContentSourcePolicy';
    // Its mirrors are a set in the schemas of the two newer kinds.
    if (!isOld) refuseRepeated(mirrors, fields);
    const policy = isOld ? undefined : readPolicy(fields);
    fields.warnOfTheRest();
    if (mirrors.length > 0 && mirrors.every(({ text }) => text === source.text)) {
      const message = `the only mirror of ${quoted(source.text)} is the source itself, so this list has no effect`;
      warnOf(reading, source.origin.line, message);
    }
    return { source, mirrors, policy };
  });
  spec.warnOfTheRest();
  return lists;
}

/** Throws EntrepotError CONFIG_INVALID. */
export function readImageConfig(
  spec: ObjectFields,
  reading: ObjectReading,
): Omit<ImageConfig, 'kind' | 'name' | 'origin'> {
  const sources = spec.map('registrySources');
  const ca = spec.map('additionalTrustedCA');
  spec.warnOfTheRest(otherImageFields);
  if (ca?.text('name')?.text) {
    warnOf(reading, ca.line, 'additionalTrustedCA has no effect here: put its certificates into certs.d');
  }
  const insecure = sources?.texts('insecureRegistries');
  const blocked = sources?.texts('blockedRegistries');
  const allowed = sources?.texts('allowedRegistries');
  const search = sources?.texts('containerRuntimeSearchRegistries');
  sources?.warnOfTheRest();
  if (sources) refuseRepeated(search ?? [], sources);
  for (const { text, origin } of [...(insecure ?? []), ...(blocked ?? []), ...(allowed ?? [])]) {
    if (isScope(text) && !isSource(text)) {
      warnOf(
        reading,
        origin.line,
        `newer versions of OpenShift refuse ${quoted(text)}: write host[:port][/path] or *.host`,
      );
    }
  }
  const [first] = allowed ?? [];
  if (first) {
    const message =
      'allowedRegistries has no effect here: OpenShift writes it into policy.json of its nodes, which enforce it. To restrict ' +
      'Entrepot itself, list only these registries in registries.conf';
    warnOf(reading, first.origin.line, message);
    if (blocked?.length) {
      const both =
        'OpenShift accepts allowedRegistries and blockedRegistries together only for the repository of its own release';
      warnOf(reading, first.origin.line, both);
    }
  }
  return { insecure, blocked, allowed, search };
}

function refuseRepeated(texts: readonly Placed[], fields: ObjectFields): void {
  const lines = new Map<string, number>();
  for (const { text, origin } of texts) {
    const first = lines.get(text);
    if (first !== undefined) {
      throw fields.invalid(
        undefined,
        `${quoted(text)} is there twice, on lines ${first} and ${origin.line}: leave out one`,
      );
    }
    lines.set(text, origin.line);
  }
}

function readPolicy(fields: ObjectFields): MirrorList['policy'] {
  const written = fields.text('mirrorSourcePolicy');
  if (!written || written.text === '') return undefined;
  const { text, origin } = written;
  if (text === 'AllowContactingSource' || text === 'NeverContactSource') return { text, origin };
  const message = 'mirrorSourcePolicy must be AllowContactingSource or NeverContactSource, not';
  throw fields.invalid('mirrorSourcePolicy', `${message} ${quoted(text)}`);
}
