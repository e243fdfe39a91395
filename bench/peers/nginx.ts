/**
 * nginx as the limit of what this machine can do. Files that were placed are served as they are (`sendfile`); all else goes
 * through `proxy_cache` with a lock, one request at a time for one URL. It verifies nothing and knows nothing of tags.
 */
import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../../test/support/processes.ts';
import { freePort } from '../stage.ts';
import { keepRunning } from './keep-running.ts';
import type { Peer } from './peer.ts';

export const nginx: Peer = {
  name: 'nginx',
  needs: { program: 'nginx', debian: 'nginx-light' },
  async start(stage, { host }) {
    const folder = stage.folder('nginx');
    const placed = join(folder, 'placed');
    const address = `127.0.0.1:${await freePort()}`;
    const file = join(folder, 'nginx.conf');
    await mkdir(join(placed, 'v2'), { recursive: true });
    writeFileSync(file, configuration(folder, placed, address, host));
    const command = ['nginx', '-e', join(folder, 'log'), '-c', file];
    const running = await keepRunning('nginx', stage, { command, folder, address });
    return Object.assign(running, {
      async place(path: string, from: string) {
        const to = join(placed, path);
        await mkdir(dirname(to), { recursive: true });
        await run('curl', ['--silent', '--fail', '--output', to, from]);
      },
    });
  },
};

function configuration(folder: string, placed: string, address: string, upstream: string): string {
  return `
daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes auto;
pid ${folder}/pid;
error_log ${folder}/log;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  default_type application/octet-stream;
  client_body_temp_path ${folder}/body;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  proxy_temp_path ${folder}/proxy;
  proxy_cache_path ${folder}/cache levels=1:2 keys_zone=cache:20m max_size=100g inactive=1d use_temp_path=off;
  upstream registry { server ${upstream}; keepalive 32; }
  server {
    listen ${address};
    root ${placed};
    location = /v2/ { return 200; }
    location / { try_files $uri @registry; }
    location @registry {
      proxy_pass http://registry;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host ${upstream};
      proxy_cache cache;
      proxy_cache_valid 200 1h;
      proxy_cache_lock on;
      proxy_cache_lock_timeout 1h;
      proxy_cache_lock_age 1h;
    }
  }
}
`;
}
