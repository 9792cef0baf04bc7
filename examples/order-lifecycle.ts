// Orders of a marketplace, replayed from a file: each is driven through a state machine by the events that its row implies,
// from 16 workers at once. Every event is delivered twice, from two workers. What is illegal where it arrives is refused, and
// recorded; what comes again is a duplicate, whatever became of it first.
//
//     npm install makegood && node order-lifecycle.ts --orders olist-orders.csv
//
// The file has the columns of Olist's public data set: order_id, order_status and four times.
import { readArguments, UsageError, usage } from "./order-lifecycle/arguments.ts";
import { readOrders } from "./order-lifecycle/orders.ts";
import { replay } from "./order-lifecycle/replay.ts";
import { openShop } from "./order-lifecycle/shop.ts";

try {
  const { file, store, isJson, isHelp } = readArguments(process.argv.slice(2));
  if (isHelp) console.log(usage);
  else {
    const orders = readOrders(file);
    const shop = await openShop(store);
    try {
      const report = await replay(shop, orders);
      console.log(isJson ? JSON.stringify(report) : describe(report));
    } finally {
      await shop.close();
    }
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`order-lifecycle: ${error.message}`);
  process.exitCode = 2;
}

function describe({ orders, events, applied, refused, duplicates, finalStates }: Awaited<ReturnType<typeof replay>>) {
  const states = Object.entries(finalStates).map(([state, count]) => `  ${state.padEnd(11)} ${count}`);
  const moves = `${events} events, each delivered twice: ${applied} applied, ${refused} refused, ${duplicates} duplicates`;
  return [`${orders} orders, ${moves}`, ...states].join("\n");
}
