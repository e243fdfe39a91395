/** One request for a token of Microsoft Entra, and its answer: of Entra itself, or of the metadata service of a machine. */
import type { Clock } from '../../lib/clock.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import type { Exchanges } from '../exchange.ts';
import type { Temporary } from '../temporary.ts';
import type { AzureSecret } from './azure-auth.ts';

export interface EntraTokenDeps {
  readonly exchanges: Exchanges;
  readonly clock: Clock;
}

/** `identity`: whose token it is, for the error. Rejects StoreError. */
export async function askEntraToken(
  url: URL,
  request: Parameters<Exchanges['send']>[1],
  identity: string,
  { exchanges, clock }: EntraTokenDeps,
): Promise<Temporary<AzureSecret>> {
  const response = await exchanges.send(url, request, { wanted: 'token' });
  const parsed = parseJson(await exchanges.read(response));
  const given = parsed.ok && isJsonObject(parsed.value) ? parsed.value : {};
  const { access_token: token, expires_in: seconds } = given;
  if (response.status === 200 && typeof token === 'string' && token !== '') {
    // Entra gives a number, a metadata service a text.
    const life = Number(seconds) > 0 ? Number(seconds) * 1000 : 0;
    return { value: { kind: 'token', token }, expires: clock.now() + life };
  }
  const kind = response.status >= 500 ? 'unreachable' : response.status === 200 ? 'invalid' : 'refused';
  throw exchanges.error(kind, `${url.host} gives no token for ${identity} (HTTP ${response.status})`);
}
