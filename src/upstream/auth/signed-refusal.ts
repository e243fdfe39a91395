/**
 * Why a registry refuses a token that was signed here. Registries say little about it in a 401: distribution says `invalid_token` for
 * everything but a scope. What is known besides is the audience (the challenge's `service`) and the registry's clock (`Date`):
 *
 *   error="insufficient_scope"      the token is valid, and is for something else
 *   `service` is another audience   token.audience is wrong
 *   `Date` is outside the token's   one of the clocks is wrong
 *   validity
 *   none of these                   the issuer or the key; both are named, with the place to compare them
 *
 * A registry that says more (`error_description`) is quoted, and decides between issuer and key.
 */
import { foreignWords } from '../../lib/foreign-words.ts';
import type { Challenge } from './challenge.ts';
import { backdated, keyId, type SigningCredentials } from './signed-token.ts';

export interface SignedRefusal {
  readonly credentials: SigningCredentials;
  /** Of the token. */
  readonly scope: string;
  /** Those of the refusal. */
  readonly challenges: readonly Challenge[];
  /** The header `Date` of the refusal. */
  readonly date: string | undefined;
  /** Epoch ms. */
  readonly now: number;
}

/** Seconds by which verifiers let a clock be wrong: that of distribution. */
const leeway = 60;

/** Sentences without a full stop, separated by semicolons. */
export async function whyRefused({
  credentials,
  scope,
  challenges,
  date,
  now,
}: SignedRefusal): Promise<string> {
  const { token } = credentials;
  const bearer = challenges.filter(({ scheme }) => scheme === 'bearer');
  const parameters = (bearer.find((one) => one.parameters.has('error')) ?? bearer[0])?.parameters;
  const said = (name: string) => foreignWords(parameters?.get(name) ?? '');
  if (said('error') === 'insufficient_scope') {
    return `the token is valid there, and allows ${scope} where ${said('scope') || 'more'} is wanted`;
  }
  const description = said('error_description');
  const quoted = description === '' ? [] : [`it says "${description}"`];
  const causes: string[] = [];
  const service = said('service');
  if (service !== '' && service !== token.audience) {
    causes.push(`it takes tokens for the audience "${service}", and token.audience is "${token.audience}"`);
  }
  const skew = skewOf(date, now);
  if (skew !== undefined && isOutside(skew, leeway, token.expiry))
    causes.push(`${clockWords(skew)}: set both by NTP`);
  if (causes.length === 0) {
    causes.push(await otherCauses(credentials, description));
    if (skew !== undefined && isOutside(skew, 0, token.expiry)) causes.push(clockWords(skew));
  }
  return [...causes, ...quoted].join('; ');
}

/** Seconds that the registry's clock is ahead of ours; undefined if it does not say. */
function skewOf(date: string | undefined, now: number): number | undefined {
  const at = date === undefined ? Number.NaN : Date.parse(date);
  return Number.isNaN(at) ? undefined : Math.round((at - now) / 1000);
}

/** Whether a new token is not valid at a clock that is `skew` s ahead of ours. */
function isOutside(skew: number, tolerance: number, expiry: number): boolean {
  return skew < -backdated - tolerance || skew > expiry / 1000 + tolerance;
}

function clockWords(skew: number): string {
  const side = skew < 0 ? 'behind' : 'ahead of';
  const what = skew < 0 ? 'not valid yet' : 'over';
  return `its clock is ${Math.abs(skew)} s ${side} ours, where a new token is ${what}`;
}

async function otherCauses(credentials: SigningCredentials, description: string): Promise<string> {
  const { token, key, source } = credentials;
  const issuer = `it trusts another issuer than token.issuer = "${token.issuer}"`;
  const known = `it does not know the key "${await keyId(credentials)}" (${key.alg}, token.kid = "${token.kid}") of ${source.file}`;
  if (/\bissuer\b/i.test(description)) return issuer;
  if (/\bkey\b|\bkid\b|signature/i.test(description)) return known;
  return `${issuer}, or ${known}: its own log says which`;
}
