/**
 * The challenge of a 401 (distribution docs, "Token Authentication Specification"): where a client gets a token, and for what.
 *
 *   Bearer realm="https://HOST/token",service="entrepot",scope="repository:NAME:pull",error="invalid_token"
 *
 * HOST is what the client sent, so that every name of this server works. A Host header of another form than HOST[:PORT] gets
 * `localhost`: no client can put anything else into the challenge.
 */
import type { Access } from './access.ts';
import { scopeText } from './tokens/scopes.ts';

const hostForm = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/** `realm`: a URL that clients are sent to instead. `service`: the audience of tokens. */
export function createChallenge({
  realm,
  service,
}: {
  readonly realm: string | undefined;
  readonly service: string;
}): Access['challenge'] {
  const fixed = realm === undefined ? undefined : new URL(realm).href;
  return ({ host = '', secure, scope, error }) => {
    const origin = `${secure ? 'https' : 'http'}://${hostForm.test(host) ? host : 'localhost'}`;
    const parameters = [`realm="${fixed ?? `${origin}/token`}"`, `service="${service}"`];
    if (scope) parameters.push(`scope="${scopeText(scope.name, scope.rights)}"`);
    if (error) parameters.push(`error="${error}"`);
    return `Bearer ${parameters.join(',')}`;
  };
}
