/** The address of an Entrepot as its clients reach it: `--for`. */
import { EntrepotError } from '../../errors.ts';
import { isDomain, looksLikeRegistry } from '../../oci/reference.ts';
import { withoutUserInfo } from '../credentials/user-info.ts';

export interface MirrorAddress {
  readonly scheme: 'http' | 'https';
  /** `host[:port]`. */
  readonly host: string;
  /** Its certificate is not verified. */
  readonly insecure: boolean;
  /** The path of its CA on the client's machine. */
  readonly ca: string | undefined;
}

/** `HOST[:PORT]` (HTTPS), `https://HOST[:PORT]` or `http://HOST[:PORT]`. Throws EntrepotError USAGE. */
export function parseMirrorAddress(
  text: string,
  options: { readonly insecure?: boolean; readonly ca?: string } = {},
): MirrorAddress {
  const [, scheme = 'https', host = ''] = /^(?:(https?):\/\/)?([^/]*)\/?$/.exec(text) ?? [];
  const shown = JSON.stringify(withoutUserInfo(text).slice(0, 80));
  if (!isDomain(host)) {
    const message = `--for ${shown} is no address: write HOST[:PORT], https://HOST[:PORT] or http://HOST[:PORT], without path and account`;
    throw new EntrepotError('USAGE', `${message}; an IPv6 address needs a name`);
  }
  if (!looksLikeRegistry(host)) {
    const message = `--for ${shown}: podman and Docker take a host without dot and port for a part of a path: add the port`;
    throw new EntrepotError('USAGE', message);
  }
  const insecure = options.insecure ?? false;
  if (scheme === 'http' && (insecure || options.ca !== undefined)) {
    throw new EntrepotError('USAGE', `--for ${shown} has no certificate: leave out --insecure and --ca`);
  }
  if (insecure && options.ca !== undefined) {
    throw new EntrepotError('USAGE', '--insecure verifies no certificate: leave out --insecure or --ca');
  }
  if (options.ca !== undefined && !/^\/[^\x00-\x1f\x7f]+$/.test(options.ca)) {
    throw new EntrepotError('USAGE', '--ca is the path of a file on the clients: write an absolute path');
  }
  return { scheme: scheme === 'http' ? 'http' : 'https', host, insecure, ca: options.ca };
}

/** The URL without a path. */
export function urlOfMirror({ scheme, host }: MirrorAddress): string {
  return `${scheme}://${host}`;
}
