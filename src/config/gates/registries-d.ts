/**
 * containers-registries.d(5): where simple signatures of images are, and whether sigstore attachments of a registry are used. All
 * `*.yaml` files of one folder count together; a scope may be in one of them only.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { EntrepotError } from '../../errors.ts';
import { isMissing, readTextFile } from '../files/text-file.ts';
import { parseYaml, type YamlMap, type YamlValue } from '../yaml/yaml-document.ts';

/** One section; undefined: it does not say. */
export interface Lookaside {
  readonly file: string;
  /** URL with http, https or file; no slash at its end. */
  readonly url: string | undefined;
  readonly attachments: boolean | undefined;
}

export interface Lookasides {
  /** By scope: a reference, a repository, a namespace, a registry, or `*.domain`. */
  readonly docker: ReadonlyMap<string, Lookaside>;
  /** `default-docker`. */
  readonly default: Lookaside | undefined;
}

/** A folder that does not exist is empty. Throws EntrepotError CONFIG_UNREADABLE or CONFIG_INVALID. */
export function readRegistriesD(folder: string): Lookasides {
  const docker = new Map<string, Lookaside>();
  let ordinary: Lookaside | undefined;
  for (const file of filesIn(folder)) {
    const root = parseYaml(readTextFile(file) ?? '', file, { scalars: 'text' })[0];
    const fields = root && mapOf(root, 'the document', file);
    const standard = fields?.entries.get('default-docker');
    if (standard && !isEmpty(standard)) {
      if (ordinary) throw twice('default-docker', ordinary.file, file, standard.line);
      ordinary = sectionOf(standard, 'default-docker', file);
    }
    const scopes = fields?.entries.get('docker');
    if (!scopes || isEmpty(scopes)) continue;
    for (const [scope, value] of mapOf(scopes, 'docker', file).entries) {
      const known = docker.get(scope);
      if (known) throw twice(`docker "${scope}"`, known.file, file, value.line);
      docker.set(scope, sectionOf(value, `docker "${scope}"`, file));
    }
  }
  return { docker, default: ordinary };
}

function filesIn(folder: string): readonly string[] {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
    return names.sort().map((name) => join(folder, name));
  } catch (error) {
    if (isMissing(error)) return [];
    throw new EntrepotError('CONFIG_UNREADABLE', 'cannot be listed: [[gate]] registries_d names it', {
      file: folder,
      cause: error,
    });
  }
}

/** As `lookaside-staging` is for writing only, it is not read. The old name of `lookaside` is `sigstore`. */
function sectionOf(value: YamlValue, name: string, file: string): Lookaside {
  if (isEmpty(value)) return { file, url: undefined, attachments: undefined };
  const fields = mapOf(value, name, file);
  const text = (key: string): string | undefined => {
    const found = fields.entries.get(key);
    if (!found || isEmpty(found)) return undefined;
    if (found.kind !== 'string') throw invalid(`${key} of ${name} must be a text`, file, found.line);
    return found.value;
  };
  const written = text('lookaside') ?? text('sigstore');
  if (written !== undefined && !isUsable(written))
    throw invalid(`lookaside of ${name} must be a URL with http, https or file`, file, fields.line);
  const attachments = text('use-sigstore-attachments');
  if (attachments !== undefined && attachments !== 'true' && attachments !== 'false')
    throw invalid(`use-sigstore-attachments of ${name} must be true or false`, file, fields.line);
  return {
    file,
    url: written?.replace(/\/+$/, ''),
    attachments: attachments === undefined ? undefined : attachments === 'true',
  };
}

function isUsable(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return ['http:', 'https:', 'file:'].includes(protocol) && `${username}${password}${search}${hash}` === '';
}

function isEmpty(value: YamlValue): boolean {
  return value.kind === 'null' || (value.kind === 'string' && value.value === '');
}

function mapOf(value: YamlValue, name: string, file: string): YamlMap {
  if (value.kind === 'map') return value;
  throw invalid(`${name} must be a map`, file, value.line);
}

function twice(name: string, first: string, file: string, line: number): EntrepotError {
  return invalid(`${name} is in ${first}, too: each scope may be in one file only`, file, line);
}

function invalid(message: string, file: string, line: number): EntrepotError {
  return new EntrepotError('CONFIG_INVALID', message, { file, line });
}
