/** The first configuration of a server whose policies come from its cluster. */
import type { LivePolicies, LivePoliciesDeps } from '../app/live-policies.ts';
import type { Config } from '../config/config.ts';
import type { ObjectsText } from '../config/policies/cluster-objects.ts';
import { EntrepotError } from '../errors.ts';

/** For the configuration that says whether there is a cluster to ask. */
export const noObjects: ObjectsText = { file: 'objects of the cluster', text: '' };

/** Undefined if policies do not come from a cluster. Throws as `openLivePolicies` does. Its code is loaded only for that. */
export async function followCluster(
  { server, proxies }: Config,
  deps: Omit<LivePoliciesDeps, 'proxies'>,
): Promise<LivePolicies | undefined> {
  if (server.policiesFrom === undefined) return undefined;
  const { openLivePolicies } = await import('../app/live-policies.ts');
  return await openLivePolicies(server.data, { ...deps, proxies });
}

/**
 * The configuration with the objects of the cluster, or, if these cannot be used, with those that were in force last. The first reload
 * then says what is wrong. Throws EntrepotError if there is neither.
 */
export async function firstConfig(policies: LivePolicies, read: () => Promise<Config>): Promise<Config> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof EntrepotError) || !policies.fallBack()) throw error;
    return await read();
  }
}
