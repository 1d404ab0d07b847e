// The page of openapi.json: every operation with what it takes and answers, and a form to try it.
// Texts become text nodes, never HTML.

const at = (id) => document.getElementById(id);

function make(name, given, ...inside) {
  const [tag, ...classes] = name.split(".");
  const element = Object.assign(document.createElement(tag), given);
  element.classList.add(...classes);
  element.append(...inside.flat(Infinity).filter((one) => one !== null));
  return element;
}

/** Return a line of Markdown with its `code` as elements. */
const inline = (text) =>
  text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));

/** Return paragraphs and lists of Markdown; the rest of it is text. */
function prose(text) {
  return (text ?? "").split(/\n\s*\n/).filter(Boolean).map((block) => {
    const items = block.split(/\n(?=- )/);
    if (!items.every((item) => item.startsWith("- "))) return make("p", {}, inline(block));
    return make("ul", {}, items.map((item) => make("li", {}, inline(item.slice(2)))));
  });
}

class Schemas {
  constructor(named) {
    this.named = named;
  }

  resolved(schema) {
    const { $ref, ...beside } = schema;
    return $ref ? { ...this.named[$ref.split("/").at(-1)], name: $ref.split("/").at(-1), ...beside } : schema;
  }

  /** Return in words what a schema allows. */
  kind(schema) {
    const { name, type, anyOf, oneOf, enum: values, items } = this.resolved(schema);
    if (name) return name.split(".").at(-1);
    if (items) return `list of ${this.kind(items)}`;
    if (values) return values.map((value) => JSON.stringify(value)).join(" | ");
    const kinds = (anyOf ?? oneOf)?.map((one) => this.kind(one)) ?? [type ?? "any"].flat();
    return kinds.filter((kind) => kind !== "null").join(" | ");
  }

  /** Return the objects that a schema is, or holds, to be shown field by field. */
  objects(schema) {
    const found = this.resolved(schema);
    if (found.properties) return [found];
    return [found.items, ...(found.anyOf ?? found.oneOf ?? [])].filter(Boolean).flatMap((one) => this.objects(one));
  }

  /** Return the fields of a schema; what is in them is made when it is opened, since messages hold themselves. */
  fields(schema) {
    return this.objects(schema).map((one) =>
      make("dl", {}, Object.entries(one.properties).flatMap(([name, field]) => {
        const inner = this.objects(field).length > 0;
        const needed = one.required?.includes(name) ? "" : ", optional";
        return [
          make("dt", {}, make("code", {}, name), " ", make("span.kind", {}, this.kind(field) + needed)),
          make("dd", {}, prose(field.description), inner ? this.folded(field) : null),
        ];
      })));
  }

  folded(field) {
    const details = make("details", {}, make("summary", {}, `fields of ${this.kind(field)}`));
    details.addEventListener("toggle", () => details.append(...this.fields(field)), { once: true });
    return details;
  }

  /** Return a value to begin with: what is needed, or else the first two fields; messages in messages are empty. */
  example(schema, depth = 0) {
    const found = this.resolved(schema);
    if (found.properties) {
      const names = found.required ?? Object.keys(found.properties).slice(0, depth ? 0 : 2);
      return Object.fromEntries(names.map((name) => [name, this.example(found.properties[name], depth + 1)]));
    }
    if (found.anyOf ?? found.oneOf) return this.example((found.anyOf ?? found.oneOf)[0], depth);
    if (found.enum) return found.enum[0];
    const items = () => [this.example(found.items ?? {}, depth + 1)];
    const kinds = { array: items, object: () => ({}), boolean: () => false, string: () => "" };
    return (kinds[[found.type].flat()[0]] ?? (() => 0))();
  }
}

/** Return a form that sends a request and shows what comes back. */
function form(method, path, example) {
  const target = make("input", { value: path, ariaLabel: "path" });
  const body = make("textarea", { value: example, rows: Math.min(12, example.split("\n").length + 1), ariaLabel: "body" });
  const status = make("p", { role: "status" });
  const answer = make("pre", { hidden: true, tabIndex: 0, ariaLabel: "answer", role: "region" });
  const send = make("button", { type: "button" }, "Send");
  send.addEventListener("click", async () => {
    send.disabled = true;
    const began = performance.now();
    try {
      const given = method === "GET" ? {} : { body: body.value, headers: { "content-type": "application/json" } };
      const found = await fetch(`..${target.value}`, { method, ...given });
      const text = await found.text();
      status.textContent = `${found.status} ${found.statusText}, ${(performance.now() - began).toFixed(0)} ms`;
      status.classList.toggle("failed", !found.ok);
      answer.textContent = found.headers.get("content-type")?.includes("json") ? JSON.stringify(JSON.parse(text), null, 2) : text;
      answer.hidden = false;
    } catch (error) {
      status.textContent = String(error);
      status.classList.add("failed");
    } finally {
      send.disabled = false;
    }
  });
  return make("div", {}, make("h3", {}, "Try it"), target, method === "GET" ? null : body, send, status, answer);
}

function filled(method, path, told, schemas) {
  const sent = told.requestBody?.content["application/json"]?.schema;
  const [media, answered] = Object.entries(told.responses["200"]?.content ?? {})[0] ?? ["", {}];
  return make("div", {},
    prose(told.description),
    sent ? [make("h3", {}, `Takes ${schemas.kind(sent)}`), schemas.fields(sent)] : null,
    answered.schema ? [make("h3", {}, `Answers ${media}: ${schemas.kind(answered.schema)}`), schemas.fields(answered.schema)] : null,
    form(method, path, sent ? JSON.stringify(schemas.example(sent), null, 2) : ""));
}

function operation(method, path, told, schemas) {
  const summary = make("summary", {}, make("span.method", {}, method), " ", make("code", {}, path), " ", inline(told.summary));
  const details = make("details.operation", { id: told.operationId }, summary);
  details.dataset.words = `${path} ${told.summary} ${told.description ?? ""}`.toLowerCase();
  details.addEventListener("toggle", () => details.append(filled(method, path, told, schemas)), { once: true });
  return details;
}

function show(description) {
  const schemas = new Schemas(description.components.schemas);
  const groups = new Map();
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, told] of Object.entries(methods)) {
      const tag = told.tags[0];
      groups.set(tag, [...(groups.get(tag) ?? []), operation(method.toUpperCase(), path, told, schemas)]);
    }
  }
  at("version").textContent = description.info.version;
  at("introduction").replaceChildren(...prose(description.info.description));
  at("operations").replaceChildren(...[...groups].map(([tag, made]) => make("section", {}, make("h2", {}, tag), made)));
  const linked = document.getElementById(location.hash.slice(1));
  if (linked?.matches("details")) linked.open = true;
}

at("find").addEventListener("input", ({ target }) => {
  const words = target.value.toLowerCase().split(/\s+/);
  for (const one of document.querySelectorAll("details.operation")) {
    one.hidden = !words.every((word) => one.dataset.words.includes(word));
  }
  for (const section of document.querySelectorAll("section")) {
    section.hidden = !section.querySelector("details.operation:not([hidden])");
  }
});

try {
  show(await (await fetch("../openapi.json")).json());
} catch (error) {
  at("operations").replaceChildren(make("p.failed", {}, `The description could not be read: ${error}`));
}
