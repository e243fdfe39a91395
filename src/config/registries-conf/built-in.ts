/** What serves where the search finds no registries.conf, or none that lists a registry: the public registries that most images come from, without mirrors. */
import type { RegistryEntry } from './registries.ts';

const publicRegistries = [
  'docker.io',
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
