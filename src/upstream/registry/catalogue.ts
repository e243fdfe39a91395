/**
 * The repositories of one endpoint's registry (`/v2/_catalog`, distribution's API): all pages, or an error. It is no part of the
 * distribution specification, and many registries offer none, or only to administrators.
 *
 * It is asked for with a reference whose repository ends in `catalogueProbe`: what the endpoint makes of the part before that tells how
 * its names and ours belong together.
 */
import type { Clock } from '../../lib/clock.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import { parseRepository, type Repository } from '../../oci/reference.ts';
import type { Ask } from '../attempt.ts';
import type { HostSettings } from '../host-settings.ts';
import type { Outcome } from '../outcome.ts';
import { type ListPage, maxListBytes, maxPages, readPage } from './list-page.ts';
import { htmlProblem } from './manifests.ts';
import type { RegistryClient } from './registry-client.ts';

/** The last component of the repository that stands for all of them. */
export const catalogueProbe = 'entrepot-catalogue-probe';

const pageSize = 1000;
const headers = { accept: 'application/json' };
/** How registries without a catalogue refuse it, beside 404. */
const unsupported = [400, 405, 406, 501];

/** Repositories below `under`, which is empty or ends in a slash, as clients call them; each once. */
export function createCatalogue(deps: {
  client: RegistryClient;
  settings: HostSettings;
  clock: Clock;
}): (under: string) => Ask<readonly Repository[]> {
  const { client, settings, clock } = deps;

  return (under) => async (asked, context) => {
    const endpoint = { ...asked, isForCatalogue: true } as const;
    const theirs = endpoint.reference.repository.slice(0, -catalogueProbe.length);
    const found = new Set<string>();
    const followed = new Set<string>();
    let bytesLeft = maxListBytes;
    for (let path: string | undefined = `/v2/_catalog?n=${pageSize}`; path !== undefined; ) {
      if (followed.has(path)) return invalid('sent a catalogue whose pages lead in a circle');
      if (followed.size === maxPages) return invalid(`sent more than ${maxPages} pages of its catalogue`);
      followed.add(path);
      const pass = followed.size === 1 ? unsupported : [];
      const got = await client.request(endpoint, { method: 'GET', path, headers, pass }, context);
      if (got.kind !== 'ok') {
        // The first page has shown that there is a catalogue.
        return followed.size > 1 && got.kind === 'notFound'
          ? invalid(`next page of the catalogue: ${got.reason}`)
          : got;
      }
      if (unsupported.includes(got.value.status)) {
        return { kind: 'notFound', reason: `HTTP ${got.value.status}: it has no catalogue` };
      }
      const timeout = settings.stallTimeout(endpoint.host);
      const page = await readPage(got.value, { cap: bytesLeft, clock, timeout, signal: context.signal });
      if (page.kind !== 'ok') return page;
      context.progressed();
      bytesLeft -= page.value.bytes.length;
      const names = namesOf(page.value);
      if (names.kind !== 'ok') return names;
      const before = found.size;
      for (const name of names.value) found.add(name);
      const { next } = page.value;
      if (next.kind === 'unreadable')
        return invalid('announces more of its catalogue by a link that cannot be read');
      const last = names.value.at(-1);
      // Some registries send no link.
      const isFull = names.value.length === pageSize && found.size > before && last !== undefined;
      const after = isFull ? `/v2/_catalog?n=${pageSize}&last=${encodeURIComponent(last)}` : undefined;
      path = next.kind === 'page' ? next.path : after;
    }
    const own = [...found].filter((name) => name.startsWith(theirs));
    return {
      kind: 'ok',
      value: own.flatMap((name) => parseRepository(`${under}${name.slice(theirs.length)}`) ?? []),
    };
  };
}

function namesOf({ bytes, headers: sent }: ListPage): Outcome<readonly string[]> {
  const parsed = parseJson(bytes);
  const problem = htmlProblem(sent) ?? (parsed.ok ? undefined : `sent a catalogue that ${parsed.problem}`);
  if (problem !== undefined || !parsed.ok) return invalid(problem ?? '');
  const listed = isJsonObject(parsed.value) ? parsed.value.repositories : undefined;
  // Programs in Go write an empty list as null.
  if (listed === null) return { kind: 'ok', value: [] };
  if (!Array.isArray(listed)) return invalid('sent no list of repositories');
  return { kind: 'ok', value: (listed as readonly unknown[]).filter((name) => typeof name === 'string') };
}

function invalid(reason: string): Outcome<never> {
  return { kind: 'invalid', reason };
}
