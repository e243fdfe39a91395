/**
 * What k3s and RKE2 make of registries.yaml at their start: one hosts.toml per entry of `mirrors`, `"*"` being `_default`,
 * and an endpoint without a path gets `/v2` (k3s documentation, "Private Registry Configuration"). k3s itself is no package
 * of Debian, so this rule stands in for it. It reads no more YAML than docs/clients.md shows.
 */

/** Folder name of containerd's certs.d -> hosts.toml. */
export function renderRegistriesYaml(yaml: string): ReadonlyMap<string, string> {
  const hosts = new Map<string, string>();
  let folder = '';
  for (const line of yaml.split('\n')) {
    const registry = line.match(/^ {2}"?([^" :]+)"?:$/)?.[1];
    const endpoint = line.match(/^ +- "?([^"]+)"?$/)?.[1];
    if (registry !== undefined) folder = registry === '*' ? '_default' : registry;
    if (endpoint === undefined) continue;
    const url = `${new URL(endpoint).origin}/v2`;
    const table = `[host."${url}"]\n  capabilities = ["pull", "resolve"]\n`;
    hosts.set(folder, `${hosts.get(folder) ?? ''}${table}`);
  }
  return hosts;
}
