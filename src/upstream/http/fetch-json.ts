/**
 * Gets a JSON document of an issuer of tokens, over the same proxies, CAs and limits as everything else. The URL comes from the
 * configuration or from a document that it led to, never from a client.
 */

import { dropBody, readBody } from '../../lib/bytes/small-body.ts';
import type { Clock } from '../../lib/clock.ts';
import { parseJson } from '../../oci/parse-json.ts';
import type { HostSettings } from '../host-settings.ts';
import type { Sender } from './sender.ts';

export interface FetchJsonDeps {
  readonly sender: Sender;
  readonly settings: HostSettings;
  readonly clock: Clock;
}

const maxBytes = 1024 * 1024;

/** Follows no redirect. Rejects with a sentence for anything but a 200 with JSON of at most 1 MiB. */
export function createFetchJson({
  sender,
  settings,
  clock,
}: FetchJsonDeps): (url: string) => Promise<unknown> {
  return async (text) => {
    const url = new URL(text);
    const name = url.host;
    const route = { url, name, verify: true, addressScope: 'any' as const };
    const got = await sender.send(route, { method: 'GET', headers: { accept: 'application/json' } });
    if (!got.ok) throw new Error(`${name}: ${got.fault.reason}`);
    const { status, body } = got.response;
    if (status !== 200) {
      dropBody(body, clock);
      throw new Error(`${name} answered ${status} for ${url.pathname}`);
    }
    const read = await readBody(body, { cap: maxBytes, clock, timeout: settings.stallTimeout(name) });
    if (!read.ok) throw new Error(`${name}: ${read.reason}`);
    const parsed = parseJson(read.bytes);
    if (!parsed.ok) throw new Error(`${name}: what it gave for ${url.pathname} ${parsed.problem}`);
    return parsed.value;
  };
}
