/**
 * The built-in list: public registries without mirrors. It is in force if no registries.conf is found, or if those of the system list no
 * registry.
 */
import { dockerHub } from '../../oci/docker-hub.ts';
import type { RegistriesConf, RegistryEntry } from './registries.ts';

const publicRegistries = [
  dockerHub,
  'gcr.io',
  'ghcr.io',
  'mcr.microsoft.com',
  'nvcr.io',
  'public.ecr.aws',
  'quay.io',
  'registry.access.redhat.com',
  'registry.gitlab.com',
  'registry.k8s.io',
];

/** Sorted by prefix. */
export const builtInEntries: readonly RegistryEntry[] = publicRegistries.map((registry, index) => ({
  prefix: registry,
  location: registry,
  insecure: undefined,
  blocked: false,
  mirrorByDigestOnly: false,
  mirrors: [],
  origin: { file: 'built-in', line: index + 1 },
}));

/** True if the built-in list is in force. */
export function hasBuiltInList({ entries }: RegistriesConf): boolean {
  return entries === builtInEntries;
}
