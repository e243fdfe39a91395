/**
 * The keys about short names (`alpine` for `docker.io/library/alpine`). Runtimes resolve short names before they ask a mirror, so these
 * keys have no effect here. They are checked because every runtime refuses a file in which they are wrong.
 */
import {
  isDomain,
  looksLikeRegistry,
  maxNameLength,
  parseReference,
  parseRepository,
  referenceName,
} from '../../oci/reference.ts';
import { plainLocation } from './entries.ts';
import { invalid, type Located, type Reading } from './fields.ts';
import type { RegistriesConf } from './registries.ts';

/** How a runtime resolves short names. */
export type ShortNameMode = RegistriesConf['shortNameMode'];

/** The registries, each `host[:port]`. Throws EntrepotError CONFIG_INVALID. */
export function checkSearchRegistries(written: readonly Located<string>[], reading: Reading): string[] {
  return written.map((registry) => {
    const host = plainLocation(registry, reading);
    if (isDomain(host)) return host;
    const message = `unqualified-search-registries holds "${registry.value}", which is no host or host:port`;
    throw invalid(reading, registry.line, message);
  });
}

/** Undefined if the key is empty, which counts as absent. Throws EntrepotError CONFIG_INVALID. */
export function checkShortNameMode(written: Located<string>, reading: Reading): ShortNameMode | undefined {
  switch (written.value) {
    case '':
      return undefined;
    case 'enforcing':
    case 'permissive':
    case 'disabled':
      return written.value;
    default: {
      const message = `short-name-mode = "${written.value}" must be "enforcing", "permissive" or "disabled"`;
      throw invalid(reading, written.line, message);
    }
  }
}

/** Name -> registry/repository; an empty value erases the name. Throws one EntrepotError CONFIG_INVALID that names every wrong alias. */
export function checkAliases(
  written: ReadonlyMap<string, Located<string>>,
  reading: Reading,
): Map<string, string> {
  const aliases = new Map<string, string>();
  const problems: Located<string>[] = [];
  for (const [name, { value, line }] of written) {
    const problem = problemOfName(name);
    if (problem !== undefined) problems.push({ value: `the alias "${name}" ${problem}`, line });
    const full = value === '' ? '' : fullName(value);
    if (full !== undefined) aliases.set(name, full);
    else problems.push({ value: `the alias "${name}" means "${value}", ${valueForm}`, line });
  }
  const [first] = problems;
  if (!first) return aliases;
  const rest = problems.slice(1).map((problem) => `\nline ${problem.line}: ${problem.value}`);
  throw invalid(reading, first.line, first.value + rest.join(''));
}

const valueForm = 'which is no registry/repository without tag and digest';

function problemOfName(name: string): string | undefined {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  // As in every reference, the first of several components may be a host, in upper or lower case.
  const isName =
    parseRepository(name) !== undefined ||
    (isDomain(first) && parseRepository(name.slice(slash + 1)) !== undefined && name.length <= maxNameLength);
  if (!isName) return 'is no repository without tag and digest';
  return isDomain(first) && looksLikeRegistry(first) ? 'names a registry: leave it out' : undefined;
}

function fullName(value: string): string | undefined {
  const first = value.slice(0, Math.max(value.indexOf('/'), 0));
  if (!isDomain(first) || !looksLikeRegistry(first)) return undefined;
  const parsed = parseReference(value);
  if (!parsed.ok || parsed.value.tag !== undefined || parsed.value.digest !== undefined) return undefined;
  return referenceName(parsed.value);
}
