/**
 * The fields of an object, read one by one. As in the API of Kubernetes, null counts as absent, a wrong type is an error, and an
 * unknown field has no effect; here it is also a warning, because it is nearly always a misspelt one.
 */
import { EntrepotError } from '../../errors.ts';
import type { ConfigWarning } from '../config.ts';
import { withoutQuotedUserInfo } from '../credentials/user-info.ts';
import type { OriginObject } from '../registries-conf/registries.ts';
import { nearest } from '../toml/nearest.ts';
import type { YamlMap, YamlValue } from '../yaml/yaml-document.ts';
import type { ObjectOrigin, Placed } from './policy-object.ts';

/** Characters of a text in a message. */
const mostShown = 200;

/** The object that is being read, and the place for its warnings. */
export interface ObjectReading {
  readonly file: string;
  readonly object: OriginObject;
  readonly warnings: ConfigWarning[];
}

/** The fields of one map. A method returns undefined for an absent field and throws EntrepotError CONFIG_INVALID for a wrong type. */
export interface ObjectFields {
  /** 1-based. */
  readonly line: number;
  text(name: string): Placed | undefined;
  texts(name: string): readonly Placed[] | undefined;
  map(name: string): ObjectFields | undefined;
  maps(name: string): readonly ObjectFields[];
  /** Warns of every field that no call has asked for, apart from `ignored`. */
  warnOfTheRest(ignored?: readonly string[]): void;
  /** The error for a field, or for the map itself. */
  invalid(name: string | undefined, message: string): EntrepotError;
}

/** `path` is that of the map in messages: `spec`, or empty for the object itself. */
export function readFields(map: YamlMap, path: string, reading: ObjectReading): ObjectFields {
  const known = new Set<string>();

  function take(name: string): YamlValue | undefined {
    known.add(name);
    const value = map.entries.get(name);
    return value?.kind === 'null' ? undefined : value;
  }

  function dotted(name: string): string {
    return path === '' ? name : `${path}.${name}`;
  }

  return {
    line: map.line,
    text(name) {
      const value = take(name);
      return value && textOf(value, dotted(name), reading);
    },
    texts(name) {
      return listOf(take(name), dotted(name), reading)?.map((item, at) =>
        textOf(item, `${dotted(name)}[${at}]`, reading),
      );
    },
    map(name) {
      const value = take(name);
      return value && readFields(asMap(value, dotted(name), reading), dotted(name), reading);
    },
    maps(name) {
      const items = listOf(take(name), dotted(name), reading) ?? [];
      return items.map((item, at) => {
        const itemPath = `${dotted(name)}[${at}]`;
        return readFields(asMap(item, itemPath, reading), itemPath, reading);
      });
    },
    warnOfTheRest(ignored = []) {
      for (const [name, { line }] of map.entries) {
        if (known.has(name) || ignored.includes(name)) continue;
        const meant = nearest(name, [...known, ...ignored]);
        const hint =
          meant === undefined ? `known here are ${[...known].join(', ')}` : `did you mean "${meant}"?`;
        warnOf(reading, line, `the unknown field ${dotted(name)} has no effect: ${hint}`);
      }
    },
    invalid: (name, message) =>
      invalidAt(reading, (name === undefined ? undefined : map.entries.get(name)?.line) ?? map.line, message),
  };
}

/** The error for a place in an object. Its message begins with kind and name. */
export function invalidObject({ file, line, object }: ObjectOrigin, message: string): EntrepotError {
  const text = `${objectLabel(object)}: ${withoutQuotedUserInfo(message)}`;
  return new EntrepotError('CONFIG_INVALID', text, { file, line });
}

function invalidAt({ file, object }: ObjectReading, line: number, message: string): EntrepotError {
  return invalidObject({ file, line, object }, message);
}

/** Adds a warning for a line of the object. */
export function warnOf({ file, object, warnings }: ObjectReading, line: number, message: string): void {
  warnings.push({ file, line, message: `${objectLabel(object)}: ${withoutQuotedUserInfo(message)}` });
}

/** `ImageDigestMirrorSet "ubi"`. */
export function objectLabel({ kind, name }: OriginObject): string {
  return name === '' ? `${kind} without a name` : `${kind} ${quoted(name)}`;
}

/** A text of an object as a message shows it: in quotes, and short. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > mostShown ? `${text.slice(0, mostShown)}...` : text);
}

/** A value as a message names it. */
export function kindOfValue({ kind }: YamlValue): string {
  return kind === 'null' ? 'null' : `a ${kind}`;
}

function textOf(value: YamlValue, path: string, reading: ObjectReading): Placed {
  const { file, object } = reading;
  if (value.kind === 'string') return { text: value.value, origin: { file, line: value.line, object } };
  throw invalidAt(reading, value.line, `${path} must be a string, not ${kindOfValue(value)}`);
}

function listOf(
  value: YamlValue | undefined,
  path: string,
  reading: ObjectReading,
): readonly YamlValue[] | undefined {
  if (value === undefined || value.kind === 'list') return value?.items;
  throw invalidAt(reading, value.line, `${path} must be a list, not ${kindOfValue(value)}`);
}

function asMap(value: YamlValue, path: string, reading: ObjectReading): YamlMap {
  if (value.kind === 'map') return value;
  throw invalidAt(reading, value.line, `${path} must be a map of fields, not ${kindOfValue(value)}`);
}
