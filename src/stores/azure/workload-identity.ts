/**
 * A token of Microsoft Entra for the token of a Kubernetes service account (client credentials with a federated assertion).
 * https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#third-case-access-token-request-with-a-federated-credential
 */
import type { StoreSecrets } from '../store-secrets.ts';
import type { Temporary } from '../temporary.ts';
import type { AzureSecret } from './azure-auth.ts';
import { askEntraToken, type EntraTokenDeps } from './entra-token.ts';

export interface WorkloadIdentity {
  readonly authority: string;
  readonly tenant: string;
  readonly client: string;
  /** It rotates: read for each request. */
  readonly tokenFile: string;
}

export interface WorkloadIdentityDeps extends EntraTokenDeps {
  readonly secrets: StoreSecrets;
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
    return await askEntraToken(url, request, `the client ${identity.client}`, { exchanges, clock });
  };
}
