/**
 * The objects of one file, as `oc get -o yaml` or `-o json` prints them: single objects, several documents, and lists.
 *
 *   ImageContentSourcePolicy                     operator.openshift.io/v1alpha1
 *   ImageDigestMirrorSet, ImageTagMirrorSet      config.openshift.io/v1
 *   Image                                        config.openshift.io/v1; image.openshift.io has another kind of this name
 *   List, and ...List of each kind               their items
 *   ImageContentPolicy of config.openshift.io    an error: no version of OpenShift puts it in force
 *   any other kind                               a warning
 */
import { attempt, EntrepotError } from '../../errors.ts';
import type { ConfigWarning } from '../config.ts';
import type { OriginObject } from '../registries-conf/registries.ts';
import { nearest } from '../toml/nearest.ts';
import { parseYaml, type YamlMap, type YamlValue } from '../yaml/yaml-document.ts';
import {
  invalidObject,
  kindOfValue,
  type ObjectFields,
  type ObjectReading,
  objectLabel,
  readFields,
  warnOf,
} from './object-fields.ts';
import type { PolicyObject } from './policy-object.ts';
import { readImageConfig, readMirrorSet } from './read-specs.ts';

const apiVersions: Readonly<Record<PolicyObject['kind'], string>> = {
  ImageContentSourcePolicy: 'operator.openshift.io/v1alpha1',
  ImageDigestMirrorSet: 'config.openshift.io/v1',
  ImageTagMirrorSet: 'config.openshift.io/v1',
  Image: 'config.openshift.io/v1',
};

const configGroup = 'config.openshift.io';

/** What a list says of its items. */
interface Inherited {
  readonly apiVersion: string;
  readonly kind: string;
}

/** Warnings go to `warnings`; errors of single objects go to `errors`, and the others are read. Throws EntrepotError CONFIG_INVALID. */
export function readObjects(
  text: string,
  file: string,
  { warnings, errors }: { readonly warnings: ConfigWarning[]; readonly errors: EntrepotError[] },
): readonly PolicyObject[] {
  return parseYaml(text, file).flatMap((document) => readAny(document));

  function readAny(value: YamlValue, inherited?: Inherited): readonly PolicyObject[] {
    return attempt(errors, () => readValue(value, inherited)) ?? [];
  }

  function readValue(value: YamlValue, inherited: Inherited | undefined): readonly PolicyObject[] {
    if (value.kind !== 'map') {
      const message = `must be an object with apiVersion, kind and metadata, not ${kindOfValue(value)}`;
      throw new EntrepotError('CONFIG_INVALID', message, { file, line: value.line });
    }
    const reading: ObjectReading = { file, object: nameOf(value, inherited), warnings };
    const fields = readFields(value, '', reading);
    const kind = fields.text('kind')?.text ?? inherited?.kind;
    if (kind === undefined) throw fields.invalid(undefined, 'the object has no kind');
    const apiVersion = fields.text('apiVersion')?.text ?? inherited?.apiVersion;
    if (apiVersion === undefined) throw fields.invalid(undefined, 'the object has no apiVersion');
    const ofItems = itemsOf(kind, apiVersion);
    if (ofItems !== undefined) {
      const items = value.entries.get('items');
      if (items?.kind === 'list') return items.items.flatMap((item) => readAny(item, ofItems || undefined));
      if (items === undefined || items.kind === 'null') return [];
      throw fields.invalid('items', `items must be a list, not ${kindOfValue(items)}`);
    }
    if (!isPolicyKind(kind)) return refuseOrSkip({ kind, apiVersion }, value.line, reading);
    if (apiVersion !== apiVersions[kind]) {
      if (kind === 'Image' && groupOf(apiVersion) !== configGroup) {
        warnOf(
          reading,
          value.line,
          `is skipped: only the Image of ${apiVersions.Image} counts, not of ${apiVersion}`,
        );
        return [];
      }
      throw fields.invalid('apiVersion', `the apiVersion must be ${apiVersions[kind]}, not ${apiVersion}`);
    }
    return [readKnown(kind, fields, reading)];
  }

  function readKnown(kind: PolicyObject['kind'], fields: ObjectFields, reading: ObjectReading): PolicyObject {
    const { line } = fields;
    const { object } = reading;
    const head = { name: object.name, origin: { file, line, object } };
    const metadata = fields.map('metadata');
    metadata?.text('name');
    const spec = fields.map('spec');
    fields.warnOfTheRest(['status']);
    if (!spec)
      throw fields.invalid(
        'spec',
        'the object has no spec: write "spec: {}" if it is meant to have no effect',
      );
    return kind === 'Image'
      ? { kind, ...head, ...readImageConfig(spec, reading) }
      : { kind, ...head, lists: readMirrorSet(kind, spec, reading) };
  }
}

/** Kind and name for messages, before anything is checked. */
function nameOf(value: YamlMap, inherited: Inherited | undefined): OriginObject {
  const metadata = value.entries.get('metadata');
  const name = metadata?.kind === 'map' ? metadata.entries.get('name') : undefined;
  const kind = value.entries.get('kind');
  return {
    kind: kind?.kind === 'string' ? kind.value : (inherited?.kind ?? 'object'),
    name: name?.kind === 'string' ? name.value : '',
  };
}

/** What a list says of its items, null if it says nothing; undefined: the object is no list. */
function itemsOf(kind: string, apiVersion: string): Inherited | null | undefined {
  if (kind === 'List' && apiVersion === 'v1') return null;
  const item = kind.endsWith('List') ? kind.slice(0, -'List'.length) : '';
  return isPolicyKind(item) && apiVersion === apiVersions[item] ? { kind: item, apiVersion } : undefined;
}

function refuseOrSkip(
  { kind, apiVersion }: Inherited,
  line: number,
  reading: ObjectReading,
): readonly PolicyObject[] {
  if (kind === 'ImageContentPolicy' && groupOf(apiVersion) === configGroup) {
    const message =
      'no version of OpenShift puts this kind in force: write an ImageDigestMirrorSet for pulls by digest, and an ' +
      'ImageTagMirrorSet for pulls by tag';
    throw invalidObject({ ...reading, line }, message);
  }
  const known = Object.keys(apiVersions);
  const meant = nearest(kind, known);
  const hint =
    meant === undefined ? `only ${known.join(', ')} and lists of them count` : `did you mean ${meant}?`;
  reading.warnings.push({
    file: reading.file,
    line,
    message: `${objectLabel(reading.object)} of ${apiVersion} is skipped: ${hint}`,
  });
  return [];
}

function isPolicyKind(kind: string): kind is PolicyObject['kind'] {
  return Object.hasOwn(apiVersions, kind);
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
}
