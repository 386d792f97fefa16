// Lets an operator stop the server. It asks for a confirmation, because the page can't start the server again.

import {useEffect, useRef, useState} from 'preact/hooks'
import {plural} from '../lib/format'
import {make, type Answer} from '../lib/server'
import {AnswerView} from '../ui/answer'
import type {Stats} from './watch'

export function Drain({stats, token}: {stats: Stats; token: string | undefined}) {
  const [asked, setAsked] = useState(false)
  const [answer, setAnswer] = useState<Answer>()
  const begin = useRef<HTMLButtonElement>(null)
  const keep = useRef<HTMLButtonElement>(null)
  const wasAsked = useRef(false)
  // The keyboard focus moves to the question, and afterwards back to the button.
  useEffect(() => {
    if (asked) keep.current?.focus()
    else if (wasAsked.current) begin.current?.focus()
    wasAsked.current = asked
  }, [asked])
  const drain = async () => {
    setAsked(false)
    try {
      setAnswer(await make({method: 'POST', path: '/system/drain', token}))
    } catch {
      // The stream of the dashboard shows that the server is gone.
    }
  }
  return (
    <section class="card" aria-label="Drain">
      <header class="panel-head">
        <h2>Drain</h2>
        {!asked && (
          <button ref={begin} type="button" class="danger" onClick={() => setAsked(true)}>
            Drain …
          </button>
        )}
      </header>
      <p class="hint">
        Ends all streams one by one, tells their clients to come back, and then stops the server, as SIGTERM does. For before a
        new version, or when this node is to be left alone.
      </p>
      {asked && (
        <div
          class="row"
          role="alertdialog"
          aria-label="Drain this server?"
          onKeyDown={({key}) => key === 'Escape' && setAsked(false)}
        >
          <p class="advice">
            {plural(stats.totalConnections, 'stream')} will be ended, and the server stops. Whatever runs it has to start it again.
          </p>
          <button type="button" class="danger" onClick={() => void drain()}>
            Drain and stop
          </button>
          <button ref={keep} type="button" onClick={() => setAsked(false)}>
            Keep it running
          </button>
        </div>
      )}
      {answer && <AnswerView answer={answer} />}
    </section>
  )
}
