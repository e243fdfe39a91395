/** Pages of docs/ by what a reader wants to do. A page that is not named here comes last, under its own heading. */
export interface Task {
  readonly title: string;
  /** Paths from docs/, without `.md`. */
  readonly pages: readonly string[];
}

export const tasks: readonly Task[] = [
  {
    title: 'Start with a client',
    pages: [
      ...['containerd', 'docker', 'podman', 'cri-o', 'k3s', 'rke2', 'nerdctl', 'buildkit', 'kind', 'skopeo'],
      ...['crane', 'oras', 'helm', 'gitlab-runner', 'github-runner'],
    ].map((name) => `quick-starts/${name}`),
  },
  { title: 'Choose', pages: ['comparison', 'benchmarks', 'sizing'] },
  { title: 'Install and run', pages: ['packages', 'operations', 'dashboard', 'kubernetes', 'log-events'] },
  { title: 'Configure', pages: ['configuration', 'registries', 'policies', 'clients', 'render'] },
  { title: 'Say who may do what', pages: ['access', 'gates', 'security', 'fips'] },
  { title: 'Push and mirror', pages: ['push', 'sync', 'events'] },
  { title: 'Carry images, keep them safe', pages: ['airgap', 'backup'] },
  { title: 'Use several machines', pages: ['cluster', 'facts', 'geo', 'stores'] },
  {
    title: 'Understand and change it',
    pages: ['protocol', 'source-map', 'style', 'dependencies', 'decisions/README'],
  },
];
