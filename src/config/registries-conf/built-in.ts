/**
 * The built-in list: public registries without mirrors. It is in force if no registries.conf is found, or if those of the system list no
 * registry.
 */
import { dockerHub } from '../../oci/docker-hub.ts';
import type { RegistriesConf, RegistryEntry } from './registries.ts';

/** The file of their origin. */
const builtInFile = 'built-in';

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
  origin: { file: builtInFile, line: index + 1 },
}));

/** True if the built-in list is in force. Objects of a cluster may have replaced entries of it. */
export function hasBuiltInList({ entries }: RegistriesConf): boolean {
  return entries.some(({ origin }) => origin.file === builtInFile);
}
