// Calls a function of one of the page's modules, UI/MODULE, with each list of arguments in the JSON on standard input;
// writes what it returns as JSON, null where it throws a fault of its own module.

import { pathToFileURL } from "node:url";

const [module, name] = process.argv.slice(2);
const { [name]: called, FilterFault = class {} } = await import(pathToFileURL(`${process.env.UI}/${module}`));

let text = "";
for await (const part of process.stdin) text += part;
const found = JSON.parse(text).map((given) => {
  try {
    return called(...given);
  } catch (error) {
    if (error instanceof FilterFault) return null;
    throw error;
  }
});
process.stdout.write(JSON.stringify(found));
