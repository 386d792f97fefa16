// The view *Console*: streams, and a form that publishes to them; or a chat room.

import {signal} from '@preact/signals'
import {useEffect} from 'preact/hooks'
import {identities} from '../lib/identity'
import {ChatView} from './chat'
import {Panel} from './panel'
import {Publish} from './publish'
import {StreamPanel} from './stream-panel'

const panels = signal<Panel[]>([])

/** A browser keeps six connections to one server over HTTP/1.1, in all tabs together; these leave some for calls. */
const MAX_PANELS = 2

function add(): void {
  const used = panels.value.map((panel) => panel.who.value)
  const next = identities.value.find(({key}) => !used.includes(key))
  panels.value = [...panels.value, new Panel(next?.key ?? '')]
}

function remove(panel: Panel): void {
  panel.disconnect()
  panels.value = panels.value.filter((one) => one !== panel)
}

export function Console({rest}: {rest: string[]}) {
  const chat = rest[0] === 'chat'
  useEffect(() => {
    if (panels.value.length === 0) add()
  }, [])
  return (
    <>
      <div class="view-head">
        <h1>{chat ? 'Chat room' : 'Console'}</h1>
        <p class="lead">
          {chat
            ? 'Members, messages and who is typing, all of it over one event stream.'
            : 'Open a stream, publish something, see it arrive. Break the connection and see what comes back.'}
        </p>
        <nav class="sub" aria-label="Console">
          <a href="#/console" aria-current={chat ? undefined : 'page'}>
            Streams
          </a>
          <a href="#/console/chat" aria-current={chat ? 'page' : undefined}>
            Chat room
          </a>
        </nav>
      </div>
      {chat ? (
        <ChatView />
      ) : (
        <div class={`console ${panels.value.length > 1 ? 'two' : ''}`}>
          <div class="panels">
            {panels.value.map((panel, nth) => (
              <StreamPanel
                key={panel}
                panel={panel}
                name={panels.value.length > 1 ? `Stream ${nth + 1}` : 'Stream'}
                {...(panels.value.length > 1 ? {onRemove: () => remove(panel)} : {})}
              />
            ))}
            {panels.value.length < MAX_PANELS && (
              <button type="button" class="add" onClick={add}>
                + A second user beside it
              </button>
            )}
          </div>
          <Publish panels={panels.value} />
        </div>
      )}
    </>
  )
}
