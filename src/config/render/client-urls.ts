/** Places of registries.conf as URLs. */
import { dockerHub, dockerHubApi } from '../../oci/docker-hub.ts';
import { hostOf } from '../../oci/reference.ts';
import type { PlacedMirror } from './by-registry.ts';
import { pathOf } from './node-entry.ts';

export interface ClientUrl {
  readonly scheme: 'http' | 'https';
  /** `host[:port]`. */
  readonly host: string;
  /** With its slash; empty for none. */
  readonly path: string;
  readonly skipVerify: boolean;
  readonly ca: string | undefined;
}

/** The URLs of a mirror, in order. */
export function urlsOfMirror({ entrepot, place, insecure }: PlacedMirror): readonly ClientUrl[] {
  if (!entrepot) return urlsOf(place, insecure);
  const { scheme, host, ca } = entrepot;
  return [{ scheme, host, path: '', skipVerify: entrepot.insecure, ca }];
}

/** HTTPS; for an insecure place without verification, and then plain HTTP, as `insecure` means it. */
export function urlsOf(place: string, insecure: boolean): readonly ClientUrl[] {
  const named = hostOf(place);
  const host = named === dockerHub ? dockerHubApi : named;
  const https: ClientUrl = {
    scheme: 'https',
    host,
    path: pathOf(place),
    skipVerify: insecure,
    ca: undefined,
  };
  return insecure ? [https, { ...https, scheme: 'http', skipVerify: false }] : [https];
}

/** As containerd and k3s take it: the path of the API is a part of a path. */
export function apiUrl({ scheme, host, path }: ClientUrl): string {
  return `${scheme}://${host}${path === '' ? '' : `/v2${path}`}`;
}
