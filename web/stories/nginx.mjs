// A real nginx before a server, configured as a story says.
//
// Owns its process and its folder: both end with what is told behind it.

import {execFileSync, spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {connect, createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {delimiter, join} from 'node:path'
import {setTimeout as pause} from 'node:timers/promises'

/** What the README tells people to write. */
export const RIGHT = 'proxy_http_version 1.1; proxy_set_header Connection "";'

/** With HTTP/1.0 behind it, as was long its default: chunks of HTTP/1.1 it passes on as they come. */
export const BUFFERING = 'proxy_http_version 1.0; proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;'

export const COMPRESSING = `${RIGHT} gzip on; gzip_types text/event-stream;`

/**
 * Tells `tell` the URL of an nginx with these lines in its location. It takes no port 0, so it listens on a socket in its own
 * folder, and a free port is forwarded to that. With `tls` it speaks HTTP/2, and has a certificate that nobody vouches for.
 */
export async function behind(server, lines, tell, {tls = false} = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-nginx-'))
  const socket = join(folder, 'nginx.sock')
  const file = join(folder, 'nginx.conf')
  if (tls) certify(folder)
  writeFileSync(file, configuration(socket, tls, new URL(server.url).host, lines))
  const child = spawn(found(), ['-p', folder, '-e', join(folder, 'error.log'), '-c', file], {stdio: 'ignore'})
  const ended = once(child, 'exit')
  const open = new Set()
  const door = createServer((client) => {
    const inside = connect(socket)
    for (const [from, to] of [[client, inside], [inside, client]]) {
      open.add(from)
      from.on('error', () => to.destroy()).on('close', () => {
        open.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
  })
  try {
    while (!(await answers(socket))) await pause(10)
    door.listen(0, '127.0.0.1')
    await once(door, 'listening')
    await tell(`${tls ? 'https' : 'http'}://127.0.0.1:${door.address().port}`)
  } finally {
    door.close()
    for (const one of open) one.destroy()
    child.kill('SIGKILL')
    await ended
    rmSync(folder, {recursive: true, force: true})
  }
}

async function answers(socket) {
  const attempt = connect(socket)
  try {
    await once(attempt, 'connect')
    return true
  } catch {
    return false
  } finally {
    attempt.destroy()
  }
}

/** Puts a certificate and its key into the folder. */
function certify(folder) {
  const what = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '1']
  const how = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const where = ['-out', 'certificate.pem', '-keyout', 'key.pem']
  execFileSync('openssl', ['req', '-x509', ...how, ...what, ...where], {cwd: folder, stdio: 'pipe'})
}

/** One process, so that its end is the end of all of it. Newer ones would like `http2 on;` better, which older ones don't know. */
function configuration(socket, tls, server, lines) {
  const listen = tls ? ' ssl http2; ssl_certificate certificate.pem; ssl_certificate_key key.pem' : ''
  return `daemon off; master_process off; pid nginx.pid; error_log error.log warn;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen unix:${socket}${listen};
    location / { proxy_pass http://${server}; ${lines} }
  }
}
`
}

/** Debian has it in a folder that is not on everybody's path. */
function found() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  return folders.map((folder) => join(folder, 'nginx')).find((path) => existsSync(path)) ?? 'nginx'
}
