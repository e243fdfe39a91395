/**
 * A token of Microsoft Entra for the identity of the machine, from its metadata service.
 * https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
 */
import type { Temporary } from '../temporary.ts';
import type { AzureSecret } from './azure-auth.ts';
import { askEntraToken, type EntraTokenDeps } from './entra-token.ts';

export interface ManagedIdentity {
  /** Of the metadata service. */
  readonly origin: string;
  /** Where the machine has several identities, the client ID of one. */
  readonly client: string | undefined;
}

/** Rejects StoreError. */
export function fetchManagedToken(
  { origin, client }: ManagedIdentity,
  deps: EntraTokenDeps,
): () => Promise<Temporary<AzureSecret>> {
  return async () => {
    const url = new URL('/metadata/identity/oauth2/token', origin);
    url.searchParams.set('api-version', '2018-02-01');
    url.searchParams.set('resource', 'https://storage.azure.com/');
    if (client !== undefined) url.searchParams.set('client_id', client);
    // A request that was led here through another server lacks this header.
    const request = { method: 'GET', headers: { metadata: 'true' } } as const;
    const identity = client === undefined ? 'the identity of this machine' : `the identity ${client}`;
    return await askEntraToken(url, request, identity, deps);
  };
}
