/**
 * Asks each endpoint of an explanation for the manifest's HEAD, with the code that serves clients. The endpoints are asked one
 * after the other, each by an upstream of its own: the failure, breaker or credentials of one cannot influence another.
 */

import type { Explanation } from '../../admin/explanation.ts';
import { createAuthLookup } from '../../config/credentials/auth-lookup.ts';
import { createCredentialHelper } from '../../config/credentials/credential-helper.ts';
import { createCertLookup } from '../../config/files/certs-d.ts';
import type { Environment } from '../../config/proxy-env.ts';
import { createReadBlocks } from '../../lib/bytes/read-blocks.ts';
import { systemClock } from '../../lib/clock.ts';
import { createUpstream } from '../../upstream/create-upstream.ts';
import { type Endpoint, endpointKey } from '../../upstream/endpoint.ts';
import type { Attempt } from '../../upstream/outcome.ts';
import { readVersion } from '../version.ts';

/** One attempt for each endpoint, in their order. Throws EntrepotError TLS_UNUSABLE for a CA file that cannot be used. */
export async function probe(explanation: Explanation, env: Environment): Promise<readonly Attempt[]> {
  const attempts: Attempt[] = [];
  for (const { endpoint } of explanation.endpoints) {
    const reason = whyUntouched(endpoint, explanation);
    attempts.push(reason === undefined ? await ask(endpoint, explanation, env) : untouched(endpoint, reason));
  }
  return attempts;
}

/** The server contacts no endpoint of a refused registry, so neither does this. */
function whyUntouched({ role }: Endpoint, { refusal }: Explanation): string | undefined {
  if (refusal !== undefined) return 'the registry is not listed';
  return role === 'peer' ? 'a peer answers the servers of its cluster only' : undefined;
}

async function ask(
  endpoint: Endpoint,
  { config, reference }: Explanation,
  env: Environment,
): Promise<Attempt> {
  const { registries, server, paths, proxies } = config;
  const upstream = createUpstream(
    {
      blocks: createReadBlocks({ size: 64 * 1024, sockets: 64, keep: 4, lend: 4 }),
      endpoints: () => [endpoint],
      authLookup: createAuthLookup({
        authFiles: paths.authFiles,
        credentialHelpers: registries.credentialHelpers,
        runHelper: createCredentialHelper({ env }),
      }),
      authFiles: paths.authFiles.map(({ path }) => path),
      certLookup: createCertLookup(paths.certDirectories),
      clock: systemClock,
    },
    { upstream: server.upstream, proxies, userAgent: `entrepot/${readVersion()}` },
  );
  try {
    const { trail } = await upstream.headManifest(reference);
    return trail[0] ?? untouched(endpoint, 'was not asked');
  } finally {
    await upstream.close();
  }
}

function untouched(endpoint: Endpoint, reason: string): Attempt {
  return { endpoint: endpointKey(endpoint), role: endpoint.role, outcome: 'skipped', reason, ms: 0 };
}
