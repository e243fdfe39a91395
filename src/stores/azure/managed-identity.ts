/**
 * A token of Microsoft Entra for the identity of the machine, from its metadata service.
 * https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
 */
import type { Clock } from '../../lib/clock.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import type { Exchanges } from '../exchange.ts';
import type { Temporary } from '../temporary.ts';
import type { AzureSecret } from './azure-auth.ts';

export interface ManagedIdentity {
  /** Of the metadata service. */
  readonly origin: string;
  /** Where the machine has several identities, the client ID of one. */
  readonly client: string | undefined;
}

/** Rejects StoreError. */
export function fetchManagedToken(
  { origin, client }: ManagedIdentity,
  { exchanges, clock }: { readonly exchanges: Exchanges; readonly clock: Clock },
): () => Promise<Temporary<AzureSecret>> {
  return async () => {
    const url = new URL('/metadata/identity/oauth2/token', origin);
    url.searchParams.set('api-version', '2018-02-01');
    url.searchParams.set('resource', 'https://storage.azure.com/');
    if (client !== undefined) url.searchParams.set('client_id', client);
    // A request that was led here through another server lacks this header.
    const request = { method: 'GET', headers: { metadata: 'true' } } as const;
    const response = await exchanges.send(url, request, { wanted: 'token' });
    const parsed = parseJson(await exchanges.read(response));
    const given = parsed.ok && isJsonObject(parsed.value) ? parsed.value : {};
    const { access_token: token, expires_in: seconds } = given;
    if (response.status === 200 && typeof token === 'string' && token !== '') {
      const life = Number(seconds) > 0 ? Number(seconds) * 1000 : 0;
      return { value: { kind: 'token', token }, expires: clock.now() + life };
    }
    const kind = response.status >= 500 ? 'unreachable' : response.status === 200 ? 'invalid' : 'refused';
    const identity = client === undefined ? 'the identity of this machine' : `the identity ${client}`;
    throw exchanges.error(kind, `${url.host} gives no token for ${identity} (HTTP ${response.status})`);
  };
}
