/**
 * Docker Hub is one registry with three names (containers/image `docker/reference`, Docker's auth configuration):
 *
 *   docker.io              in image names and registries.conf; the name used everywhere in this program
 *   index.docker.io        in old image names, and the key of its credentials
 *   registry-1.docker.io   the host that serves its API
 */
export const dockerHub = 'docker.io';
export const dockerHubIndex = 'index.docker.io';
export const dockerHubApi = 'registry-1.docker.io';

/** All in lower case. Callers compare them as they are, except in entrepot.toml, where case does not count. */
export const dockerHubNames: ReadonlySet<string> = new Set([dockerHub, dockerHubIndex, dockerHubApi]);

/** `docker.io` for each name of Docker Hub; any other `host[:port]` unchanged. */
export function canonicalRegistry(registry: string): string {
  return dockerHubNames.has(registry) ? dockerHub : registry;
}

/** The repository that `path` means in `registry`: `alpine` is `library/alpine` on Docker Hub. */
export function withLibrary(registry: string, path: string): string {
  return registry === dockerHub && path !== '' && !path.includes('/') ? `library/${path}` : path;
}

/** Why a glob over `registry/repository[:tag]` can match no image of Docker Hub; undefined where it may, or is of another registry. */
export function whyNotOnHub(glob: string): string | undefined {
  const [, one] = /^docker\.io\/(?!\*\*)([^/]+)$/.exec(glob) ?? [];
  return one === undefined ? undefined : `the image is ${dockerHub}/library/${one}`;
}
