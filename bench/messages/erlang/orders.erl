%% What ../candidates/erlang.mjs runs in two nodes: `callee` has a gen_server, `caller` drives it and prints what it measured.
%% Both say when they are ready, and end with their input.
-module(orders).
-behaviour(gen_server).
-export([callee/0, caller/0, init/1, handle_call/3, handle_cast/2]).

callee() ->
    {ok, _} = gen_server:start({local, orders}, ?MODULE, [], []),
    ready(),
    spawn(fun until_the_end/0).

init([]) -> {ok, nothing}.

handle_call({total, #{number := Number, lines := Lines}}, _From, State) ->
    {reply, #{number => Number, total => total(Lines)}, State}.

handle_cast(_, State) -> {noreply, State}.

caller() ->
    pong = net_adm:ping('callee@localhost'),
    ready(),
    spawn(fun serve/0).

ready() -> io:format("ready~n").

until_the_end() ->
    case io:get_line("") of
        eof -> halt();
        _ -> until_the_end()
    end.

%% A line is a load: in flight, number of the first, operations and milliseconds, -1 for no limit.
serve() ->
    case io:get_line("") of
        eof -> halt();
        Line ->
            drive([list_to_integer(Word) || Word <- string:lexemes(Line, " \n")]),
            serve()
    end.

drive([InFlight, First, Operations, Milliseconds]) ->
    Lines = [#{sku => <<"tea-00000">>, cents => 100}, #{sku => <<"tea-00001">>, cents => 101}],
    Next = atomics:new(1, []),
    atomics:put(Next, 1, First),
    Start = now_ns(),
    Last = case Operations of -1 -> infinity; _ -> First + Operations end,
    End = case Milliseconds of -1 -> infinity; _ -> Start + Milliseconds * 1000000 end,
    Lanes = [spawn_monitor(fun() -> exit({done, lane(Lines, Next, Last, End, 0, [], InFlight =:= 1)}) end)
             || _ <- lists:seq(1, InFlight)],
    Done = [receive {'DOWN', Ref, process, _, {done, Result}} -> Result;
                    {'DOWN', Ref, process, _, Reason} -> io:format(standard_error, "~p~n", [Reason]), halt(1)
            end || {_, Ref} <- Lanes],
    Took = (now_ns() - Start) / 1.0e9,
    Count = lists:sum([Own || {Own, _} <- Done]),
    io:format("{\"operations\":~b,\"seconds\":~f~s}~n", [Count, Took, latency([Latencies || {_, Latencies} <- Done])]).

%% Any atom is more than any number, `infinity` too.
lane(Lines, Next, Last, End, Count, Latencies, IsTimed) ->
    Number = atomics:add_get(Next, 1, 1) - 1,
    Now = now_ns(),
    if
        Number >= Last; Now >= End -> {Count, Latencies};
        true ->
            Order = #{number => Number, customer => <<"c-000017">>, lines => Lines},
            #{number := Number, total := 201} = gen_server:call({orders, 'callee@localhost'}, {total, Order}),
            More = case IsTimed of true -> [now_ns() - Now | Latencies]; false -> [] end,
            lane(Lines, Next, Last, End, Count + 1, More, IsTimed)
    end.

latency([[_ | _] = Latencies]) ->
    Sorted = lists:sort(Latencies),
    Percentile = fun(Share) -> lists:nth(max(1, ceil(length(Sorted) * Share)), Sorted) / 1000 end,
    io_lib:format(",\"latency\":{\"p50\":~f,\"p99\":~f}", [Percentile(0.5), Percentile(0.99)]);
latency(_) -> "".

total(Lines) -> lists:sum([Cents || #{cents := Cents} <- Lines]).

now_ns() -> erlang:monotonic_time(nanosecond).
