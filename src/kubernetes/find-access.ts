/**
 * Where the API server is, and as which account it is asked. The first of these counts, as for other programs of Kubernetes:
 *
 *   KUBECONFIG                 that file, and its current context (`kubeconfig.ts`)
 *   KUBERNETES_SERVICE_HOST    the account of the pod: its token, which is renewed, and the CA of the cluster
 *   ~/.kube/config             if it exists
 */
import { existsSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { type Surroundings, systemPath } from '../config/config-paths.ts';
import { readSecretFile } from '../config/credentials/secret-file.ts';
import { readCaFile } from '../config/files/pem.ts';
import { EntrepotError } from '../errors.ts';
import type { ApiAccess } from './api-access.ts';
import { readKubeconfig } from './kubeconfig.ts';

const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Throws EntrepotError CONFIG_INVALID or CONFIG_UNREADABLE if there is none, or if its file cannot be used. */
export function findApiAccess(surroundings: Surroundings): ApiAccess {
  const { env, home } = surroundings;
  if (env.KUBECONFIG) return readKubeconfig(env.KUBECONFIG);
  if (env.KUBERNETES_SERVICE_HOST) return accountOfPod(surroundings, env.KUBERNETES_SERVICE_HOST);
  const usual = join(home, '.kube/config');
  if (existsSync(usual)) return readKubeconfig(usual);
  const message =
    'policies_from = "kubernetes" needs an API server: run in a pod, or set KUBECONFIG to a kubeconfig file';
  throw new EntrepotError('CONFIG_INVALID', message);
}

function accountOfPod(surroundings: Surroundings, host: string): ApiAccess {
  const port = surroundings.env.KUBERNETES_SERVICE_PORT || '443';
  const folder = systemPath(surroundings, accountFolder);
  const tokenFile = join(folder, 'token');
  if (!existsSync(tokenFile)) {
    const message =
      'the pod has no token: set automountServiceAccountToken: true, with an account that may list';
    throw new EntrepotError('CONFIG_UNREADABLE', message, { file: tokenFile });
  }
  return {
    server: new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`),
    from: 'the account of the pod',
    verify: true,
    serverName: undefined,
    // The API server is in the cluster's own network.
    proxy: 'direct',
    ca: () => readCaFile(join(folder, 'ca.crt'), 'the account of the pod'),
    pair: () => undefined,
    token: () => readSecretFile(tokenFile),
  };
}
