/**
 * A token of Microsoft Entra for the token of a Kubernetes service account (client credentials with a federated assertion).
 * https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#third-case-access-token-request-with-a-federated-credential
 */
import type { Clock } from '../../lib/clock.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import type { Exchanges } from '../exchange.ts';
import type { StoreSecrets } from '../store-secrets.ts';
import type { Temporary } from '../temporary.ts';
import type { AzureSecret } from './azure-auth.ts';

export interface WorkloadIdentity {
  readonly authority: string;
  readonly tenant: string;
  readonly client: string;
  /** It rotates: read for each request. */
  readonly tokenFile: string;
}

export interface WorkloadIdentityDeps {
  readonly exchanges: Exchanges;
  readonly secrets: StoreSecrets;
  readonly clock: Clock;
}

/** Rejects StoreError. */
export function fetchWorkloadToken(
  identity: WorkloadIdentity,
  { exchanges, secrets, clock }: WorkloadIdentityDeps,
): () => Promise<Temporary<AzureSecret>> {
  return async () => {
    const url = new URL(`${identity.authority}/${encodeURIComponent(identity.tenant)}/oauth2/v2.0/token`);
    const form = new URLSearchParams({
      client_id: identity.client,
      scope: 'https://storage.azure.com/.default',
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: secrets.get(identity.tokenFile),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const request = { method: 'POST', headers, body: form.toString() } as const;
    const response = await exchanges.send(url, request, { wanted: 'token' });
    const parsed = parseJson(await exchanges.read(response));
    const given = parsed.ok && isJsonObject(parsed.value) ? parsed.value : {};
    const { access_token: token, expires_in: seconds } = given;
    if (response.status === 200 && typeof token === 'string' && token !== '') {
      const life = typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : 0;
      return { value: { kind: 'token', token }, expires: clock.now() + life };
    }
    const kind = response.status >= 500 ? 'unreachable' : response.status === 200 ? 'invalid' : 'refused';
    throw exchanges.error(
      kind,
      `${url.host} gives no token for the client ${identity.client} (HTTP ${response.status})`,
    );
  };
}
