# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_tidings_global_optspecs
    string join \n config= app-env= node-env= port= host= base-path= max-body-bytes= max-head-bytes= head-timeout= idle-timeout= trusted-proxies= trusted-header= cors-origin= cors-credentials= cors-headers= auth-demo= auth-cookie= admin-role= open-publish= metrics-token= jwt-secret= jwt-issuer= jwt-audience= jwt-require-exp= jwt-expires-in= publish-rate= publish-bytes= publish-unlimited-roles= heartbeat-interval= heartbeat-style= stream-refusal= write-timeout= max-connections= max-connections-per-user= max-connections-per-ip= max-lag-bytes= max-connection-age= stream-lane= presence-grace= journal= data-dir= journal-sync= journal-keep= journal-max-age= journal-max-bytes= journal-max-events= max-topics= log-level= log-format= drain-seconds= shutdown-timeout= h/help help-all V/version
end

function __fish_tidings_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_tidings_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_tidings_using_subcommand
    set -l cmd (__fish_tidings_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c tidings -n "__fish_tidings_needs_command" -l config -d 'Read this file instead of tidings.toml' -r -F
complete -c tidings -n "__fish_tidings_needs_command" -l app-env -d 'Whether the server is for development or for production' -r
complete -c tidings -n "__fish_tidings_needs_command" -l node-env -d 'The mode, as Node names it' -r
complete -c tidings -n "__fish_tidings_needs_command" -l port -d 'The TCP port to listen on' -r
complete -c tidings -n "__fish_tidings_needs_command" -l host -d 'The addresses to listen on' -r
complete -c tidings -n "__fish_tidings_needs_command" -l base-path -d 'A prefix that is removed from every path, for proxies that forward `/api/…` unchanged' -r
complete -c tidings -n "__fish_tidings_needs_command" -l max-body-bytes -d 'The largest body of a request' -r
complete -c tidings -n "__fish_tidings_needs_command" -l max-head-bytes -d 'The largest head of a request: its first line and all header fields together' -r
complete -c tidings -n "__fish_tidings_needs_command" -l head-timeout -d 'How long a client may take to send the head of a request before its connection is closed' -r
complete -c tidings -n "__fish_tidings_needs_command" -l idle-timeout -d 'How long an idle connection is kept for its next request' -r
complete -c tidings -n "__fish_tidings_needs_command" -l trusted-proxies -d 'Proxies that are trusted to name the client\'s address' -r
complete -c tidings -n "__fish_tidings_needs_command" -l trusted-header -d 'The header field in which the trusted proxies write the client\'s address' -r
complete -c tidings -n "__fish_tidings_needs_command" -l cors-origin -d 'The allowed origins: exact ones (`https://app.example.com`), every name below one (`https://*.example.com`), or a regular expression between slashes (`/^https:\\/\\/app-\\d+\\.example\\.com$/`)' -r
complete -c tidings -n "__fish_tidings_needs_command" -l cors-credentials -d 'Whether pages of other origins may send cookies and `Authorization`' -r
complete -c tidings -n "__fish_tidings_needs_command" -l cors-headers -d 'Request headers that pages of other origins may send in addition to those that the server reads, `X-Requested-With`, `traceparent`, `tracestate` and `baggage`' -r
complete -c tidings -n "__fish_tidings_needs_command" -l auth-demo -d 'Whether demo tokens are accepted: Base64 of `userId:username:email:roles`, which anybody can write' -r
complete -c tidings -n "__fish_tidings_needs_command" -l auth-cookie -d 'The name of a cookie that contains the token' -r
complete -c tidings -n "__fish_tidings_needs_command" -l admin-role -d 'The role that may publish to everybody and administer the server' -r
complete -c tidings -n "__fish_tidings_needs_command" -l open-publish -d 'Whether every valid token may publish to everybody' -r
complete -c tidings -n "__fish_tidings_needs_command" -l metrics-token -d 'The token that `GET /metrics` requires as `Authorization: Bearer …`' -r
complete -c tidings -n "__fish_tidings_needs_command" -l jwt-secret -d 'The key that signs and verifies JSON Web Tokens (HS256, HS384, HS512)' -r
complete -c tidings -n "__fish_tidings_needs_command" -l jwt-issuer -d 'The issuers (`iss`) whose tokens are accepted; if none is listed, `iss` is not checked' -r
complete -c tidings -n "__fish_tidings_needs_command" -l jwt-audience -d 'The audiences (`aud`) of which a token must name at least one; if none is listed, `aud` is not checked' -r
complete -c tidings -n "__fish_tidings_needs_command" -l jwt-require-exp -d 'Whether a token without an expiry time (`exp`) is refused' -r
complete -c tidings -n "__fish_tidings_needs_command" -l jwt-expires-in -d 'The lifetime of a token that this server signs, unless the call for it names another' -r
complete -c tidings -n "__fish_tidings_needs_command" -l publish-rate -d 'How many events one user may publish per second, and twice as many in a burst; typing indicators, joining and leaving count too' -r
complete -c tidings -n "__fish_tidings_needs_command" -l publish-bytes -d 'How many bytes of request bodies one user may publish per second, and twice as many in a burst' -r
complete -c tidings -n "__fish_tidings_needs_command" -l publish-unlimited-roles -d 'Roles that may publish, and create new names, without a limit, as administrators may: for backends' -r
complete -c tidings -n "__fish_tidings_needs_command" -l heartbeat-interval -d 'How often each stream sends a heartbeat' -r
complete -c tidings -n "__fish_tidings_needs_command" -l heartbeat-style -d 'The form of the heartbeat' -r
complete -c tidings -n "__fish_tidings_needs_command" -l stream-refusal -d 'How a stream is refused for a temporary reason: `busy` answers 200 with an event that says when to come back, because a browser\'s `EventSource` gives up for good at any other status; `status` answers 429 or 503' -r
complete -c tidings -n "__fish_tidings_needs_command" -l write-timeout -d 'How long a client may accept no byte before its connection is closed' -r
complete -c tidings -n "__fish_tidings_needs_command" -l max-connections -d 'How many streams may be open at the same time' -r
complete -c tidings -n "__fish_tidings_needs_command" -l max-connections-per-user -d 'How many streams one user may have open' -r
complete -c tidings -n "__fish_tidings_needs_command" -l max-connections-per-ip -d 'How many streams anonymous visitors from one address may have open; loopback and trusted proxies are exempt' -r
complete -c tidings -n "__fish_tidings_needs_command" -l max-lag-bytes -d 'How many bytes of events may wait for a stream whose socket accepts nothing' -r
complete -c tidings -n "__fish_tidings_needs_command" -l max-connection-age -d 'How long a stream may be open, plus or minus 10 %, before its client is told to reconnect' -r
complete -c tidings -n "__fish_tidings_needs_command" -l stream-lane -d 'The implementation of streams over HTTP/1: `parked` is a small task for each stream; `hyper` is the library that handles all other calls, and needs more than ten times the memory for a stream' -r
complete -c tidings -n "__fish_tidings_needs_command" -l presence-grace -d 'How long a member of a chat room stays a member without an open stream' -r
complete -c tidings -n "__fish_tidings_needs_command" -l journal -d 'Where the journal is: on `disk`, in `DATA_DIR`, or in `memory`, which is lost when the process ends' -r
complete -c tidings -n "__fish_tidings_needs_command" -l data-dir -d 'The directory of the journal on disk' -r -f -a "(__fish_complete_directories)"
complete -c tidings -n "__fish_tidings_needs_command" -l journal-sync -d 'When a publish to the journal on disk is answered and shown' -r
complete -c tidings -n "__fish_tidings_needs_command" -l journal-keep -d 'How much single topics keep: patterns of topics with limits, such as `notifications/user/*=7d,chat/room/*=10000events,realtime/**=30d+1GiB`' -r
complete -c tidings -n "__fish_tidings_needs_command" -l journal-max-age -d 'The maximum age of an event' -r
complete -c tidings -n "__fish_tidings_needs_command" -l journal-max-bytes -d 'The maximum number of bytes to keep' -r
complete -c tidings -n "__fish_tidings_needs_command" -l journal-max-events -d 'The maximum number of events to keep, in all topics together' -r
complete -c tidings -n "__fish_tidings_needs_command" -l max-topics -d 'The maximum number of topics with stored events: each room, entity and user that is published to is one, and takes up to half a KiB of memory' -r
complete -c tidings -n "__fish_tidings_needs_command" -l log-level -d 'The least important level to write, or a list of levels, of which some may be for one module each: `info,tidings_hub=debug`' -r
complete -c tidings -n "__fish_tidings_needs_command" -l log-format -d 'The format of an entry: one line of text for people, or one JSON object for machines' -r
complete -c tidings -n "__fish_tidings_needs_command" -l drain-seconds -d 'The time over which open streams are ended one by one, so that their clients do not all come back at once' -r
complete -c tidings -n "__fish_tidings_needs_command" -l shutdown-timeout -d 'The time after which the process exits, whatever is unfinished' -r
complete -c tidings -n "__fish_tidings_needs_command" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_needs_command" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_needs_command" -s V -l version -d 'Print version'
complete -c tidings -n "__fish_tidings_needs_command" -f -a "serve" -d 'Run the server (the default)'
complete -c tidings -n "__fish_tidings_needs_command" -f -a "init" -d 'Write a commented tidings.toml with a new secret; never overwrites'
complete -c tidings -n "__fish_tidings_needs_command" -f -a "check" -d 'Report what is wrong or unwise in the settings and the machine'
complete -c tidings -n "__fish_tidings_needs_command" -f -a "config" -d 'Print the effective settings and where each came from'
complete -c tidings -n "__fish_tidings_needs_command" -f -a "health" -d 'Ask a server whether it is ready; exits with 0 or 1'
complete -c tidings -n "__fish_tidings_needs_command" -f -a "demo" -d 'Publish the events of an imaginary shop to a running server'
complete -c tidings -n "__fish_tidings_needs_command" -f -a "token" -d 'Sign a token that a server with the same settings accepts'
complete -c tidings -n "__fish_tidings_needs_command" -f -a "publish" -d 'Publish to a running server'
complete -c tidings -n "__fish_tidings_needs_command" -f -a "tail" -d 'Follow a stream of a running server'
complete -c tidings -n "__fish_tidings_needs_command" -f -a "journal" -d 'Look into the log of a server that is not running'
complete -c tidings -n "__fish_tidings_needs_command" -f -a "bench" -d 'Load a running server and measure'
complete -c tidings -n "__fish_tidings_needs_command" -f -a "doctor" -d 'Measure what proxies do to streams, and say how to fix it'
complete -c tidings -n "__fish_tidings_needs_command" -f -a "help" -d 'Print this help, or the help of a command'
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l config -d 'Read this file instead of tidings.toml' -r -F
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l app-env -d 'Whether the server is for development or for production' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l node-env -d 'The mode, as Node names it' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l port -d 'The TCP port to listen on' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l host -d 'The addresses to listen on' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l base-path -d 'A prefix that is removed from every path, for proxies that forward `/api/…` unchanged' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l max-body-bytes -d 'The largest body of a request' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l max-head-bytes -d 'The largest head of a request: its first line and all header fields together' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l head-timeout -d 'How long a client may take to send the head of a request before its connection is closed' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l idle-timeout -d 'How long an idle connection is kept for its next request' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l trusted-proxies -d 'Proxies that are trusted to name the client\'s address' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l trusted-header -d 'The header field in which the trusted proxies write the client\'s address' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l cors-origin -d 'The allowed origins: exact ones (`https://app.example.com`), every name below one (`https://*.example.com`), or a regular expression between slashes (`/^https:\\/\\/app-\\d+\\.example\\.com$/`)' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l cors-credentials -d 'Whether pages of other origins may send cookies and `Authorization`' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l cors-headers -d 'Request headers that pages of other origins may send in addition to those that the server reads, `X-Requested-With`, `traceparent`, `tracestate` and `baggage`' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l auth-demo -d 'Whether demo tokens are accepted: Base64 of `userId:username:email:roles`, which anybody can write' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l auth-cookie -d 'The name of a cookie that contains the token' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l admin-role -d 'The role that may publish to everybody and administer the server' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l open-publish -d 'Whether every valid token may publish to everybody' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l metrics-token -d 'The token that `GET /metrics` requires as `Authorization: Bearer …`' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l jwt-secret -d 'The key that signs and verifies JSON Web Tokens (HS256, HS384, HS512)' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l jwt-issuer -d 'The issuers (`iss`) whose tokens are accepted; if none is listed, `iss` is not checked' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l jwt-audience -d 'The audiences (`aud`) of which a token must name at least one; if none is listed, `aud` is not checked' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l jwt-require-exp -d 'Whether a token without an expiry time (`exp`) is refused' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l jwt-expires-in -d 'The lifetime of a token that this server signs, unless the call for it names another' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l publish-rate -d 'How many events one user may publish per second, and twice as many in a burst; typing indicators, joining and leaving count too' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l publish-bytes -d 'How many bytes of request bodies one user may publish per second, and twice as many in a burst' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l publish-unlimited-roles -d 'Roles that may publish, and create new names, without a limit, as administrators may: for backends' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l heartbeat-interval -d 'How often each stream sends a heartbeat' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l heartbeat-style -d 'The form of the heartbeat' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l stream-refusal -d 'How a stream is refused for a temporary reason: `busy` answers 200 with an event that says when to come back, because a browser\'s `EventSource` gives up for good at any other status; `status` answers 429 or 503' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l write-timeout -d 'How long a client may accept no byte before its connection is closed' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l max-connections -d 'How many streams may be open at the same time' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l max-connections-per-user -d 'How many streams one user may have open' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l max-connections-per-ip -d 'How many streams anonymous visitors from one address may have open; loopback and trusted proxies are exempt' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l max-lag-bytes -d 'How many bytes of events may wait for a stream whose socket accepts nothing' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l max-connection-age -d 'How long a stream may be open, plus or minus 10 %, before its client is told to reconnect' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l stream-lane -d 'The implementation of streams over HTTP/1: `parked` is a small task for each stream; `hyper` is the library that handles all other calls, and needs more than ten times the memory for a stream' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l presence-grace -d 'How long a member of a chat room stays a member without an open stream' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l journal -d 'Where the journal is: on `disk`, in `DATA_DIR`, or in `memory`, which is lost when the process ends' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l data-dir -d 'The directory of the journal on disk' -r -f -a "(__fish_complete_directories)"
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l journal-sync -d 'When a publish to the journal on disk is answered and shown' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l journal-keep -d 'How much single topics keep: patterns of topics with limits, such as `notifications/user/*=7d,chat/room/*=10000events,realtime/**=30d+1GiB`' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l journal-max-age -d 'The maximum age of an event' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l journal-max-bytes -d 'The maximum number of bytes to keep' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l journal-max-events -d 'The maximum number of events to keep, in all topics together' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l max-topics -d 'The maximum number of topics with stored events: each room, entity and user that is published to is one, and takes up to half a KiB of memory' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l log-level -d 'The least important level to write, or a list of levels, of which some may be for one module each: `info,tidings_hub=debug`' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l log-format -d 'The format of an entry: one line of text for people, or one JSON object for machines' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l drain-seconds -d 'The time over which open streams are ended one by one, so that their clients do not all come back at once' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l shutdown-timeout -d 'The time after which the process exits, whatever is unfinished' -r
complete -c tidings -n "__fish_tidings_using_subcommand serve" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand serve" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand init" -l file -d 'Where to write; `-` is standard output' -r -F
complete -c tidings -n "__fish_tidings_using_subcommand init" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand init" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand check" -l config -d 'Read this file instead of tidings.toml' -r -F
complete -c tidings -n "__fish_tidings_using_subcommand check" -l app-env -d 'Whether the server is for development or for production' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l node-env -d 'The mode, as Node names it' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l port -d 'The TCP port to listen on' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l host -d 'The addresses to listen on' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l base-path -d 'A prefix that is removed from every path, for proxies that forward `/api/…` unchanged' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l max-body-bytes -d 'The largest body of a request' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l max-head-bytes -d 'The largest head of a request: its first line and all header fields together' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l head-timeout -d 'How long a client may take to send the head of a request before its connection is closed' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l idle-timeout -d 'How long an idle connection is kept for its next request' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l trusted-proxies -d 'Proxies that are trusted to name the client\'s address' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l trusted-header -d 'The header field in which the trusted proxies write the client\'s address' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l cors-origin -d 'The allowed origins: exact ones (`https://app.example.com`), every name below one (`https://*.example.com`), or a regular expression between slashes (`/^https:\\/\\/app-\\d+\\.example\\.com$/`)' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l cors-credentials -d 'Whether pages of other origins may send cookies and `Authorization`' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l cors-headers -d 'Request headers that pages of other origins may send in addition to those that the server reads, `X-Requested-With`, `traceparent`, `tracestate` and `baggage`' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l auth-demo -d 'Whether demo tokens are accepted: Base64 of `userId:username:email:roles`, which anybody can write' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l auth-cookie -d 'The name of a cookie that contains the token' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l admin-role -d 'The role that may publish to everybody and administer the server' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l open-publish -d 'Whether every valid token may publish to everybody' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l metrics-token -d 'The token that `GET /metrics` requires as `Authorization: Bearer …`' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l jwt-secret -d 'The key that signs and verifies JSON Web Tokens (HS256, HS384, HS512)' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l jwt-issuer -d 'The issuers (`iss`) whose tokens are accepted; if none is listed, `iss` is not checked' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l jwt-audience -d 'The audiences (`aud`) of which a token must name at least one; if none is listed, `aud` is not checked' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l jwt-require-exp -d 'Whether a token without an expiry time (`exp`) is refused' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l jwt-expires-in -d 'The lifetime of a token that this server signs, unless the call for it names another' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l publish-rate -d 'How many events one user may publish per second, and twice as many in a burst; typing indicators, joining and leaving count too' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l publish-bytes -d 'How many bytes of request bodies one user may publish per second, and twice as many in a burst' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l publish-unlimited-roles -d 'Roles that may publish, and create new names, without a limit, as administrators may: for backends' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l heartbeat-interval -d 'How often each stream sends a heartbeat' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l heartbeat-style -d 'The form of the heartbeat' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l stream-refusal -d 'How a stream is refused for a temporary reason: `busy` answers 200 with an event that says when to come back, because a browser\'s `EventSource` gives up for good at any other status; `status` answers 429 or 503' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l write-timeout -d 'How long a client may accept no byte before its connection is closed' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l max-connections -d 'How many streams may be open at the same time' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l max-connections-per-user -d 'How many streams one user may have open' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l max-connections-per-ip -d 'How many streams anonymous visitors from one address may have open; loopback and trusted proxies are exempt' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l max-lag-bytes -d 'How many bytes of events may wait for a stream whose socket accepts nothing' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l max-connection-age -d 'How long a stream may be open, plus or minus 10 %, before its client is told to reconnect' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l stream-lane -d 'The implementation of streams over HTTP/1: `parked` is a small task for each stream; `hyper` is the library that handles all other calls, and needs more than ten times the memory for a stream' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l presence-grace -d 'How long a member of a chat room stays a member without an open stream' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l journal -d 'Where the journal is: on `disk`, in `DATA_DIR`, or in `memory`, which is lost when the process ends' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l data-dir -d 'The directory of the journal on disk' -r -f -a "(__fish_complete_directories)"
complete -c tidings -n "__fish_tidings_using_subcommand check" -l journal-sync -d 'When a publish to the journal on disk is answered and shown' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l journal-keep -d 'How much single topics keep: patterns of topics with limits, such as `notifications/user/*=7d,chat/room/*=10000events,realtime/**=30d+1GiB`' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l journal-max-age -d 'The maximum age of an event' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l journal-max-bytes -d 'The maximum number of bytes to keep' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l journal-max-events -d 'The maximum number of events to keep, in all topics together' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l max-topics -d 'The maximum number of topics with stored events: each room, entity and user that is published to is one, and takes up to half a KiB of memory' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l log-level -d 'The least important level to write, or a list of levels, of which some may be for one module each: `info,tidings_hub=debug`' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l log-format -d 'The format of an entry: one line of text for people, or one JSON object for machines' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l drain-seconds -d 'The time over which open streams are ended one by one, so that their clients do not all come back at once' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l shutdown-timeout -d 'The time after which the process exits, whatever is unfinished' -r
complete -c tidings -n "__fish_tidings_using_subcommand check" -l strict -d 'Exit with 1 for warnings too'
complete -c tidings -n "__fish_tidings_using_subcommand check" -l running -d 'Do not report that the port and the journal directory are in use: the running server, which is to be restarted, uses them'
complete -c tidings -n "__fish_tidings_using_subcommand check" -l json -d 'Print one JSON object'
complete -c tidings -n "__fish_tidings_using_subcommand check" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand check" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand config" -l config -d 'Read this file instead of tidings.toml' -r -F
complete -c tidings -n "__fish_tidings_using_subcommand config" -l app-env -d 'Whether the server is for development or for production' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l node-env -d 'The mode, as Node names it' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l port -d 'The TCP port to listen on' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l host -d 'The addresses to listen on' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l base-path -d 'A prefix that is removed from every path, for proxies that forward `/api/…` unchanged' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l max-body-bytes -d 'The largest body of a request' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l max-head-bytes -d 'The largest head of a request: its first line and all header fields together' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l head-timeout -d 'How long a client may take to send the head of a request before its connection is closed' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l idle-timeout -d 'How long an idle connection is kept for its next request' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l trusted-proxies -d 'Proxies that are trusted to name the client\'s address' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l trusted-header -d 'The header field in which the trusted proxies write the client\'s address' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l cors-origin -d 'The allowed origins: exact ones (`https://app.example.com`), every name below one (`https://*.example.com`), or a regular expression between slashes (`/^https:\\/\\/app-\\d+\\.example\\.com$/`)' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l cors-credentials -d 'Whether pages of other origins may send cookies and `Authorization`' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l cors-headers -d 'Request headers that pages of other origins may send in addition to those that the server reads, `X-Requested-With`, `traceparent`, `tracestate` and `baggage`' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l auth-demo -d 'Whether demo tokens are accepted: Base64 of `userId:username:email:roles`, which anybody can write' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l auth-cookie -d 'The name of a cookie that contains the token' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l admin-role -d 'The role that may publish to everybody and administer the server' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l open-publish -d 'Whether every valid token may publish to everybody' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l metrics-token -d 'The token that `GET /metrics` requires as `Authorization: Bearer …`' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l jwt-secret -d 'The key that signs and verifies JSON Web Tokens (HS256, HS384, HS512)' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l jwt-issuer -d 'The issuers (`iss`) whose tokens are accepted; if none is listed, `iss` is not checked' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l jwt-audience -d 'The audiences (`aud`) of which a token must name at least one; if none is listed, `aud` is not checked' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l jwt-require-exp -d 'Whether a token without an expiry time (`exp`) is refused' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l jwt-expires-in -d 'The lifetime of a token that this server signs, unless the call for it names another' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l publish-rate -d 'How many events one user may publish per second, and twice as many in a burst; typing indicators, joining and leaving count too' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l publish-bytes -d 'How many bytes of request bodies one user may publish per second, and twice as many in a burst' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l publish-unlimited-roles -d 'Roles that may publish, and create new names, without a limit, as administrators may: for backends' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l heartbeat-interval -d 'How often each stream sends a heartbeat' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l heartbeat-style -d 'The form of the heartbeat' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l stream-refusal -d 'How a stream is refused for a temporary reason: `busy` answers 200 with an event that says when to come back, because a browser\'s `EventSource` gives up for good at any other status; `status` answers 429 or 503' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l write-timeout -d 'How long a client may accept no byte before its connection is closed' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l max-connections -d 'How many streams may be open at the same time' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l max-connections-per-user -d 'How many streams one user may have open' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l max-connections-per-ip -d 'How many streams anonymous visitors from one address may have open; loopback and trusted proxies are exempt' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l max-lag-bytes -d 'How many bytes of events may wait for a stream whose socket accepts nothing' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l max-connection-age -d 'How long a stream may be open, plus or minus 10 %, before its client is told to reconnect' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l stream-lane -d 'The implementation of streams over HTTP/1: `parked` is a small task for each stream; `hyper` is the library that handles all other calls, and needs more than ten times the memory for a stream' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l presence-grace -d 'How long a member of a chat room stays a member without an open stream' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l journal -d 'Where the journal is: on `disk`, in `DATA_DIR`, or in `memory`, which is lost when the process ends' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l data-dir -d 'The directory of the journal on disk' -r -f -a "(__fish_complete_directories)"
complete -c tidings -n "__fish_tidings_using_subcommand config" -l journal-sync -d 'When a publish to the journal on disk is answered and shown' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l journal-keep -d 'How much single topics keep: patterns of topics with limits, such as `notifications/user/*=7d,chat/room/*=10000events,realtime/**=30d+1GiB`' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l journal-max-age -d 'The maximum age of an event' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l journal-max-bytes -d 'The maximum number of bytes to keep' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l journal-max-events -d 'The maximum number of events to keep, in all topics together' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l max-topics -d 'The maximum number of topics with stored events: each room, entity and user that is published to is one, and takes up to half a KiB of memory' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l log-level -d 'The least important level to write, or a list of levels, of which some may be for one module each: `info,tidings_hub=debug`' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l log-format -d 'The format of an entry: one line of text for people, or one JSON object for machines' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l drain-seconds -d 'The time over which open streams are ended one by one, so that their clients do not all come back at once' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -l shutdown-timeout -d 'The time after which the process exits, whatever is unfinished' -r
complete -c tidings -n "__fish_tidings_using_subcommand config" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand config" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand health" -l config -d 'Read this file instead of tidings.toml' -r -F
complete -c tidings -n "__fish_tidings_using_subcommand health" -l app-env -d 'Whether the server is for development or for production' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l node-env -d 'The mode, as Node names it' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l port -d 'The TCP port to listen on' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l host -d 'The addresses to listen on' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l base-path -d 'A prefix that is removed from every path, for proxies that forward `/api/…` unchanged' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l max-body-bytes -d 'The largest body of a request' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l max-head-bytes -d 'The largest head of a request: its first line and all header fields together' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l head-timeout -d 'How long a client may take to send the head of a request before its connection is closed' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l idle-timeout -d 'How long an idle connection is kept for its next request' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l trusted-proxies -d 'Proxies that are trusted to name the client\'s address' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l trusted-header -d 'The header field in which the trusted proxies write the client\'s address' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l cors-origin -d 'The allowed origins: exact ones (`https://app.example.com`), every name below one (`https://*.example.com`), or a regular expression between slashes (`/^https:\\/\\/app-\\d+\\.example\\.com$/`)' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l cors-credentials -d 'Whether pages of other origins may send cookies and `Authorization`' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l cors-headers -d 'Request headers that pages of other origins may send in addition to those that the server reads, `X-Requested-With`, `traceparent`, `tracestate` and `baggage`' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l auth-demo -d 'Whether demo tokens are accepted: Base64 of `userId:username:email:roles`, which anybody can write' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l auth-cookie -d 'The name of a cookie that contains the token' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l admin-role -d 'The role that may publish to everybody and administer the server' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l open-publish -d 'Whether every valid token may publish to everybody' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l metrics-token -d 'The token that `GET /metrics` requires as `Authorization: Bearer …`' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l jwt-secret -d 'The key that signs and verifies JSON Web Tokens (HS256, HS384, HS512)' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l jwt-issuer -d 'The issuers (`iss`) whose tokens are accepted; if none is listed, `iss` is not checked' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l jwt-audience -d 'The audiences (`aud`) of which a token must name at least one; if none is listed, `aud` is not checked' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l jwt-require-exp -d 'Whether a token without an expiry time (`exp`) is refused' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l jwt-expires-in -d 'The lifetime of a token that this server signs, unless the call for it names another' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l publish-rate -d 'How many events one user may publish per second, and twice as many in a burst; typing indicators, joining and leaving count too' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l publish-bytes -d 'How many bytes of request bodies one user may publish per second, and twice as many in a burst' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l publish-unlimited-roles -d 'Roles that may publish, and create new names, without a limit, as administrators may: for backends' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l heartbeat-interval -d 'How often each stream sends a heartbeat' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l heartbeat-style -d 'The form of the heartbeat' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l stream-refusal -d 'How a stream is refused for a temporary reason: `busy` answers 200 with an event that says when to come back, because a browser\'s `EventSource` gives up for good at any other status; `status` answers 429 or 503' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l write-timeout -d 'How long a client may accept no byte before its connection is closed' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l max-connections -d 'How many streams may be open at the same time' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l max-connections-per-user -d 'How many streams one user may have open' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l max-connections-per-ip -d 'How many streams anonymous visitors from one address may have open; loopback and trusted proxies are exempt' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l max-lag-bytes -d 'How many bytes of events may wait for a stream whose socket accepts nothing' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l max-connection-age -d 'How long a stream may be open, plus or minus 10 %, before its client is told to reconnect' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l stream-lane -d 'The implementation of streams over HTTP/1: `parked` is a small task for each stream; `hyper` is the library that handles all other calls, and needs more than ten times the memory for a stream' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l presence-grace -d 'How long a member of a chat room stays a member without an open stream' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l journal -d 'Where the journal is: on `disk`, in `DATA_DIR`, or in `memory`, which is lost when the process ends' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l data-dir -d 'The directory of the journal on disk' -r -f -a "(__fish_complete_directories)"
complete -c tidings -n "__fish_tidings_using_subcommand health" -l journal-sync -d 'When a publish to the journal on disk is answered and shown' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l journal-keep -d 'How much single topics keep: patterns of topics with limits, such as `notifications/user/*=7d,chat/room/*=10000events,realtime/**=30d+1GiB`' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l journal-max-age -d 'The maximum age of an event' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l journal-max-bytes -d 'The maximum number of bytes to keep' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l journal-max-events -d 'The maximum number of events to keep, in all topics together' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l max-topics -d 'The maximum number of topics with stored events: each room, entity and user that is published to is one, and takes up to half a KiB of memory' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l log-level -d 'The least important level to write, or a list of levels, of which some may be for one module each: `info,tidings_hub=debug`' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l log-format -d 'The format of an entry: one line of text for people, or one JSON object for machines' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l drain-seconds -d 'The time over which open streams are ended one by one, so that their clients do not all come back at once' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l shutdown-timeout -d 'The time after which the process exits, whatever is unfinished' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l timeout -d 'How long to wait for the answer' -r
complete -c tidings -n "__fish_tidings_using_subcommand health" -l live -d 'Ask only whether the server runs, not whether it accepts streams (which it does not while it drains)'
complete -c tidings -n "__fish_tidings_using_subcommand health" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand health" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand demo" -l url -d 'Where the server is, with its base path if it has one' -r
complete -c tidings -n "__fish_tidings_using_subcommand demo" -l token -d 'The token to call with. Better set the variable, because other users of this machine can read a command line' -r
complete -c tidings -n "__fish_tidings_using_subcommand demo" -l per-minute -d 'The approximate number of events per minute' -r
complete -c tidings -n "__fish_tidings_using_subcommand demo" -l count -d 'Stop after this number of events; by default, only ctrl-c stops it' -r
complete -c tidings -n "__fish_tidings_using_subcommand demo" -l seed -d 'Publish the same story again: with the same number, the same events come in the same order' -r
complete -c tidings -n "__fish_tidings_using_subcommand demo" -s q -l quiet -d 'Show only errors'
complete -c tidings -n "__fish_tidings_using_subcommand demo" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand demo" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand token" -l config -d 'Read this file instead of tidings.toml' -r -F
complete -c tidings -n "__fish_tidings_using_subcommand token" -l app-env -d 'Whether the server is for development or for production' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l node-env -d 'The mode, as Node names it' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l port -d 'The TCP port to listen on' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l host -d 'The addresses to listen on' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l base-path -d 'A prefix that is removed from every path, for proxies that forward `/api/…` unchanged' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l max-body-bytes -d 'The largest body of a request' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l max-head-bytes -d 'The largest head of a request: its first line and all header fields together' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l head-timeout -d 'How long a client may take to send the head of a request before its connection is closed' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l idle-timeout -d 'How long an idle connection is kept for its next request' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l trusted-proxies -d 'Proxies that are trusted to name the client\'s address' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l trusted-header -d 'The header field in which the trusted proxies write the client\'s address' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l cors-origin -d 'The allowed origins: exact ones (`https://app.example.com`), every name below one (`https://*.example.com`), or a regular expression between slashes (`/^https:\\/\\/app-\\d+\\.example\\.com$/`)' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l cors-credentials -d 'Whether pages of other origins may send cookies and `Authorization`' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l cors-headers -d 'Request headers that pages of other origins may send in addition to those that the server reads, `X-Requested-With`, `traceparent`, `tracestate` and `baggage`' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l auth-demo -d 'Whether demo tokens are accepted: Base64 of `userId:username:email:roles`, which anybody can write' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l auth-cookie -d 'The name of a cookie that contains the token' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l admin-role -d 'The role that may publish to everybody and administer the server' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l open-publish -d 'Whether every valid token may publish to everybody' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l metrics-token -d 'The token that `GET /metrics` requires as `Authorization: Bearer …`' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l jwt-secret -d 'The key that signs and verifies JSON Web Tokens (HS256, HS384, HS512)' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l jwt-issuer -d 'The issuers (`iss`) whose tokens are accepted; if none is listed, `iss` is not checked' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l jwt-audience -d 'The audiences (`aud`) of which a token must name at least one; if none is listed, `aud` is not checked' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l jwt-require-exp -d 'Whether a token without an expiry time (`exp`) is refused' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l publish-rate -d 'How many events one user may publish per second, and twice as many in a burst; typing indicators, joining and leaving count too' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l publish-bytes -d 'How many bytes of request bodies one user may publish per second, and twice as many in a burst' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l publish-unlimited-roles -d 'Roles that may publish, and create new names, without a limit, as administrators may: for backends' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l heartbeat-interval -d 'How often each stream sends a heartbeat' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l heartbeat-style -d 'The form of the heartbeat' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l stream-refusal -d 'How a stream is refused for a temporary reason: `busy` answers 200 with an event that says when to come back, because a browser\'s `EventSource` gives up for good at any other status; `status` answers 429 or 503' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l write-timeout -d 'How long a client may accept no byte before its connection is closed' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l max-connections -d 'How many streams may be open at the same time' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l max-connections-per-user -d 'How many streams one user may have open' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l max-connections-per-ip -d 'How many streams anonymous visitors from one address may have open; loopback and trusted proxies are exempt' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l max-lag-bytes -d 'How many bytes of events may wait for a stream whose socket accepts nothing' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l max-connection-age -d 'How long a stream may be open, plus or minus 10 %, before its client is told to reconnect' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l stream-lane -d 'The implementation of streams over HTTP/1: `parked` is a small task for each stream; `hyper` is the library that handles all other calls, and needs more than ten times the memory for a stream' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l presence-grace -d 'How long a member of a chat room stays a member without an open stream' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l journal -d 'Where the journal is: on `disk`, in `DATA_DIR`, or in `memory`, which is lost when the process ends' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l data-dir -d 'The directory of the journal on disk' -r -f -a "(__fish_complete_directories)"
complete -c tidings -n "__fish_tidings_using_subcommand token" -l journal-sync -d 'When a publish to the journal on disk is answered and shown' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l journal-keep -d 'How much single topics keep: patterns of topics with limits, such as `notifications/user/*=7d,chat/room/*=10000events,realtime/**=30d+1GiB`' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l journal-max-age -d 'The maximum age of an event' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l journal-max-bytes -d 'The maximum number of bytes to keep' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l journal-max-events -d 'The maximum number of events to keep, in all topics together' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l max-topics -d 'The maximum number of topics with stored events: each room, entity and user that is published to is one, and takes up to half a KiB of memory' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l log-level -d 'The least important level to write, or a list of levels, of which some may be for one module each: `info,tidings_hub=debug`' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l log-format -d 'The format of an entry: one line of text for people, or one JSON object for machines' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l drain-seconds -d 'The time over which open streams are ended one by one, so that their clients do not all come back at once' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l shutdown-timeout -d 'The time after which the process exits, whatever is unfinished' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l jwt-expires-in -l expires-in -d 'The lifetime of a token that this server signs, unless the call for it names another' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l sub -d 'The id of the user' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l username -d 'The name that others see; the id if there is none' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l email -d 'The mail address' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -l role -d 'A role, such as `admin`; may be given several times, or as a list with commas' -r
complete -c tidings -n "__fish_tidings_using_subcommand token" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand token" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and not __fish_seen_subcommand_from notification update message status raw" -l url -d 'Where the server is, with its base path if it has one' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and not __fish_seen_subcommand_from notification update message status raw" -l token -d 'The token to call with. Better set the variable, because other users of this machine can read a command line' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and not __fish_seen_subcommand_from notification update message status raw" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and not __fish_seen_subcommand_from notification update message status raw" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and not __fish_seen_subcommand_from notification update message status raw" -f -a "notification" -d 'Send a notification to everybody, or to one user'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and not __fish_seen_subcommand_from notification update message status raw" -f -a "update" -d 'Publish to everybody, or to one user, that an entity has changed'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and not __fish_seen_subcommand_from notification update message status raw" -f -a "message" -d 'Post a message in a chat room'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and not __fish_seen_subcommand_from notification update message status raw" -f -a "status" -d 'Set the status of a service'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and not __fish_seen_subcommand_from notification update message status raw" -f -a "raw" -d 'Post JSON to a path of the server'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from notification" -l title -d '1 to 200 characters' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from notification" -l message -d '1 to 10,000 characters' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from notification" -l type -d '`info`, `success`, `warning` or `error`' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from notification" -l to -d 'The id of the one user to send it to' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from notification" -l url -d 'Where the server is, with its base path if it has one' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from notification" -l token -d 'The token to call with. Better set the variable, because other users of this machine can read a command line' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from notification" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from notification" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from update" -l entity -d 'What changed, such as `order`' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from update" -l action -d '`create`, `update` or `delete`' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from update" -l data -d 'The entity, or its changed fields, as JSON' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from update" -l to -d 'The id of the one user to publish to' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from update" -l url -d 'Where the server is, with its base path if it has one' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from update" -l token -d 'The token to call with. Better set the variable, because other users of this machine can read a command line' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from update" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from update" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from message" -l room -d 'The room' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from message" -l url -d 'Where the server is, with its base path if it has one' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from message" -l token -d 'The token to call with. Better set the variable, because other users of this machine can read a command line' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from message" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from message" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from status" -l service -d 'The service, such as `db`' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from status" -l status -d '`online`, `offline`, `degraded` or `maintenance`' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from status" -l message -d 'A message for people' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from status" -l url -d 'Where the server is, with its base path if it has one' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from status" -l token -d 'The token to call with. Better set the variable, because other users of this machine can read a command line' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from status" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from raw" -l url -d 'Where the server is, with its base path if it has one' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from raw" -l token -d 'The token to call with. Better set the variable, because other users of this machine can read a command line' -r
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from raw" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand publish; and __fish_seen_subcommand_from raw" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand tail" -l url -d 'Where the server is, with its base path if it has one' -r
complete -c tidings -n "__fish_tidings_using_subcommand tail" -l token -d 'The token to call with. Better set the variable, because other users of this machine can read a command line' -r
complete -c tidings -n "__fish_tidings_using_subcommand tail" -l after -d 'Start after the event with this id; `earliest` starts with the oldest event that is kept' -r
complete -c tidings -n "__fish_tidings_using_subcommand tail" -l count -d 'Stop after this number of events' -r
complete -c tidings -n "__fish_tidings_using_subcommand tail" -l event -d 'Show only events with this name; may be given several times, or as a list with commas' -r
complete -c tidings -n "__fish_tidings_using_subcommand tail" -l anonymous -d 'Call without a token, to see only what everybody may see'
complete -c tidings -n "__fish_tidings_using_subcommand tail" -l json -d 'Show each event as one line of JSON: `{"id":…,"event":…,"data":…}`'
complete -c tidings -n "__fish_tidings_using_subcommand tail" -s q -l quiet -d 'Do not show `connected` and `heartbeat`'
complete -c tidings -n "__fish_tidings_using_subcommand tail" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand tail" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand journal; and not __fish_seen_subcommand_from stats verify export" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand journal; and not __fish_seen_subcommand_from stats verify export" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand journal; and not __fish_seen_subcommand_from stats verify export" -f -a "stats" -d 'Show how much is stored, and the largest topics'
complete -c tidings -n "__fish_tidings_using_subcommand journal; and not __fish_seen_subcommand_from stats verify export" -f -a "verify" -d 'Read everything and check that it is consistent; exits with 1 if something is damaged'
complete -c tidings -n "__fish_tidings_using_subcommand journal; and not __fish_seen_subcommand_from stats verify export" -f -a "export" -d 'Write every event as one line of JSON, in the order of the log: `{"id":…,"time":…,"topics":[…],"event":…,"data":…}`'
complete -c tidings -n "__fish_tidings_using_subcommand journal; and __fish_seen_subcommand_from stats" -l json -d 'Print JSON, with every topic'
complete -c tidings -n "__fish_tidings_using_subcommand journal; and __fish_seen_subcommand_from stats" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand journal; and __fish_seen_subcommand_from stats" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand journal; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand journal; and __fish_seen_subcommand_from verify" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand journal; and __fish_seen_subcommand_from export" -l after -d 'Begin after the event with this id' -r
complete -c tidings -n "__fish_tidings_using_subcommand journal; and __fish_seen_subcommand_from export" -l topic -d 'Only events of this topic, or of all topics that match a pattern such as `chat/room/*`' -r
complete -c tidings -n "__fish_tidings_using_subcommand journal; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand journal; and __fish_seen_subcommand_from export" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l url -d 'Where the server is, with its base path if it has one' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l token -d 'The token to call with. Better set the variable, because other users of this machine can read a command line' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l path -d 'The path of the stream, with its query if it has one' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l header -d 'A header of each stream; may be repeated' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l connections -d 'How many streams to open' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l connect-burst -d 'How many streams may be opening at once' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l idle -d 'How long to keep the streams idle before the first publish: by default 0s, but 5s with --pid, to measure the CPU time of idle streams' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l users -d 'The number of users to whom the streams belong, in turn. They call with `{token}`, unless a header contains other credentials' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l rooms -d 'The number of rooms for `{room}`' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l rate -d 'Publishes per second; 0 means as fast as answers arrive' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l duration -d 'How long to publish' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l pipeline -d 'How many publishes may wait for an answer; they share one connection' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l publish-url -d 'The URL to publish to, if it is a different server; with or without a path' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l publish-path -d 'The path to publish to: /notifications/broadcast unless --publish-url has one' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l publish-header -d 'A header of each publish; may be repeated' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l body -d 'The body. It must contain `"ts":{ts}`, and so must the event that the server makes from it' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l expect -d 'How many streams each publish should reach' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l pid -d 'A process of the server, to measure its CPU time and memory; may be repeated. Linux only' -r
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l anonymous -d 'Call without a token'
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l connect-only -d 'Publish nothing'
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l json -d 'Print the results as one JSON object; null means not measured'
complete -c tidings -n "__fish_tidings_using_subcommand bench" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand bench" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand doctor" -l url -d 'Where the server is, with its base path if it has one' -r
complete -c tidings -n "__fish_tidings_using_subcommand doctor" -l token -d 'The token to call with. Better set the variable, because other users of this machine can read a command line' -r
complete -c tidings -n "__fish_tidings_using_subcommand doctor" -l proxy -d 'The proxy to print configuration for; by default it is guessed from the head of an answer' -r -f -a "nginx\t''
apache\t''
caddy\t''
traefik\t''
haproxy\t''
envoy\t''
alb\t''
cloudflare\t''"
complete -c tidings -n "__fish_tidings_using_subcommand doctor" -l patient -d 'Also keep a stream open for this many seconds, to see whether it is cut because it is idle' -r
complete -c tidings -n "__fish_tidings_using_subcommand doctor" -l json -d 'Print one JSON object'
complete -c tidings -n "__fish_tidings_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand doctor" -l help-all -d 'Print all help: what each setting does, and its default'
complete -c tidings -n "__fish_tidings_using_subcommand help" -s h -l help -d 'Print help'
complete -c tidings -n "__fish_tidings_using_subcommand help" -l help-all -d 'Print all help: what each setting does, and its default'
