/**
 * The first format of registries.conf: three lists under `[registries.search]`, `[registries.insecure]` and
 * `[registries.block]`. A file with any of the three lists, even an empty one, is of that format.
 */
import type { TomlTable } from '../toml/toml-document.ts';
import { asTable, invalid, type Located, type Reading, readTable, type TableReader } from './fields.ts';

const sections = ['search', 'insecure', 'block'] as const;

/** Throws EntrepotError CONFIG_INVALID for a file of version 1. Its message holds the same configuration in version 2. */
export function refuseVersion1(top: TableReader, reading: Reading): void {
  const written = top.any('registries');
  if (!written) return;
  if (written.kind === 'array')
    throw invalid(
      reading,
      written.line,
      'registries must be a table, not an array: did you mean [[registry]]?',
    );
  refuseLists(asTable(written, 'registries', reading), reading);
}

function refuseLists(table: TomlTable, reading: Reading): void {
  const fields = readTable(table, 'registries', reading);
  const [search, insecure, block] = sections.map((section) =>
    fields.table(section, (sectionTable) => {
      const sectionFields = readTable(sectionTable, `registries.${section}`, reading);
      const list = sectionFields.texts('registries');
      sectionFields.warnOfTheRest();
      return list;
    }),
  );
  fields.warnOfTheRest();

  const lists = { search, insecure, block };
  const first = sections.find((section) => lists[section] !== undefined);
  if (first === undefined) return;
  throw invalid(
    reading,
    lists[first]?.line ?? table.line,
    `registries.${first}.registries is version 1 of the format, which ended with podman 6 (image library 5.40). ` +
      `The same in version 2:\n\n${version2(words(search), words(insecure), words(block))}`,
  );
}

/** The same configuration as text of version 2. Undefined: the file does not have the list. */
function version2(
  search: readonly string[] | undefined,
  insecure: readonly string[] | undefined,
  block: readonly string[] | undefined,
): string {
  const top =
    search && `unqualified-search-registries = [${search.map(withoutSlash).map(quote).join(', ')}]\n`;
  const locations = new Set([...(block ?? []), ...(insecure ?? [])].map(withoutSlash));
  const tables = [...locations].map((location) => {
    const blocked = block?.map(withoutSlash).includes(location) ? 'blocked = true\n' : '';
    const plain = insecure?.map(withoutSlash).includes(location) ? 'insecure = true\n' : '';
    return `[[registry]]\nlocation = ${quote(location)}\n${plain}${blocked}`;
  });
  return [...(top === undefined ? [] : [top]), ...tables].join('\n').trimEnd();
}

function words(list: Located<readonly Located<string>[]> | undefined): string[] | undefined {
  return list?.value.map((item) => item.value);
}

function withoutSlash(location: string): string {
  return location.replace(/\/+$/, '');
}

/** JSON strings are TOML basic strings, except for DEL. */
function quote(text: string): string {
  return JSON.stringify(text).replaceAll('\u007f', '\\u007f');
}
