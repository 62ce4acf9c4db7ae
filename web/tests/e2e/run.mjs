// Drives the web UI of a running server through its main job: sign in, look at the fleet, open a server, select a part of the load chart
// and see the table of queries follow, open a query, open the collectors. Fails on any console error, exception, policy violation or request
// to elsewhere.
//
//   PGA_URL          http(s)://host:port of the people's port
//   PGA_USER         PGA_PASSWORD
//   PGA_SCREENSHOTS  a directory: then every page is photographed, light and dark, wide and narrow
//   PGA_WAIT         seconds to wait for the first load data (90)
//
// Prints a line per check, PASS or FAIL; exits 0, 1 (a check failed) or 2 (not started as it must be).

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { launch, openPage, signIn } from "./browser.mjs";

const { PGA_URL, PGA_USER, PGA_PASSWORD, PGA_SCREENSHOTS } = process.env;
if (!PGA_URL || !PGA_USER || !PGA_PASSWORD) {
  console.error("PGA_URL, PGA_USER and PGA_PASSWORD must be set");
  process.exit(2);
}
const url = PGA_URL.replace(/\/+$/, "");
const account = { url, user: PGA_USER, password: PGA_PASSWORD };
const waitMs = 1000 * Number(process.env.PGA_WAIT ?? 90);
let failures = 0;

function check(what, ok, detail = "") {
  if (!ok) failures++;
  console.log(`${ok ? "PASS" : "FAIL"}  ${what}${ok || !detail ? "" : `: ${detail}`}`);
  return ok;
}

/** A step that throws is a failure, not the end of the run. */
async function step(what, run) {
  try {
    const detail = await run();
    check(what, detail === true || detail === undefined, typeof detail === "string" ? detail : "");
  } catch (e) {
    check(what, false, String(e.message).split("\n")[0]);
  }
}

const rows = (page, testid) => page.getByTestId(testid).locator("tbody tr[data-key]");

async function mainJob(browser) {
  const opened = await openPage(browser, { url });
  const { page, complaints, context } = opened;
  page.setDefaultTimeout(15_000);

  await step("a wrong password is refused in words", async () => {
    await page.goto(url);
    await page.getByLabel("Name").fill(PGA_USER);
    await page.getByLabel("Password").fill(`${PGA_PASSWORD}-wrong`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").filter({ hasText: "wrong" }).waitFor();
  });
  await step("the form signs in", () => signIn(opened, account));
  await step("the session cookie is out of reach of scripts and of other sites", async () => {
    const cookie = (await context.cookies()).find((c) => c.name === "pga" || c.name === "__Host-pga");
    return cookie !== undefined && cookie.httpOnly && cookie.sameSite === "Strict" ? true : JSON.stringify(cookie);
  });
  await step("the fleet lists a server", () => rows(page, "fleet").first().waitFor({ timeout: waitMs }));
  await step("a row opens its server", async () => {
    await rows(page, "fleet").filter({ has: page.getByLabel("fresh") }).first().locator("a").first().click({ timeout: waitMs });
    await page.waitForURL(/\/servers\/\d+/);
  });
  await step("the range picker sets the window", async () => {
    await page.getByTestId("range").click();
    await page.getByRole("button", { name: "5m", exact: true }).click();
    await page.waitForURL(/range=5m/);
  });
  await step("the load chart gets data", async () => {
    await page.waitForFunction(() => Number(document.querySelector("[data-testid=load-chart]")?.dataset.points ?? 0) >= 4, null, { timeout: waitMs });
  });
  await step("the table of top queries has rows", () => rows(page, "top-queries").first().waitFor({ timeout: waitMs }));
  await step("the chart says what is under the pointer", async () => {
    const at = await watchedPixels(page);
    await page.mouse.move(at.right - 2, at.y);
    await page.locator(".tip").waitFor();
  });
  await brush(page);
  await step("the slice changes the bands and the address", async () => {
    const answer = page.waitForResponse((r) => r.url().includes("by=wait_event") && r.ok());
    await page.getByTestId("by").selectOption("wait_event");
    await answer;
    return /by=wait_event/.test(page.url()) ? true : page.url();
  });
  await step("a copied address shows the same selection", async () => {
    const from = await page.getByTestId("window").getAttribute("data-from");
    await page.reload();
    await page.getByTestId("window").waitFor();
    const again = await page.getByTestId("window").getAttribute("data-from");
    return from !== null && from === again ? true : `${from} became ${again}`;
  });
  await step("a row of the table opens its query", async () => {
    await rows(page, "top-queries").first().locator("a").first().click();
    await page.waitForURL(/\/queries\//);
    await page.getByTestId("queryid").waitFor();
  });
  const query = page.url();
  await step("the query has its series", () => page.getByTestId("series").locator("canvas").first().waitFor());
  await step("queries compare with the window before", async () => {
    await page.goBack();
    await page.keyboard.press("g");
    await page.keyboard.press("q");
    await rows(page, "query-list").first().waitFor();
    await page.getByTestId("compare").click();
    const answer = page.waitForResponse((r) => r.url().includes("compare_from=") && r.ok());
    await page.getByTestId("compare-previous").click();
    await answer;
    await page.getByRole("columnheader", { name: "Δ load" }).waitFor();
  });
  await step("a click on a heading sorts", async () => {
    const heading = page.getByRole("columnheader", { name: "Calls", exact: true });
    await heading.getByRole("button").click();
    await page.waitForURL(/sort=-calls/);
    const sort = await heading.getAttribute("aria-sort");
    return sort === "descending" ? true : `aria-sort is ${sort}`;
  });
  await step("the keyboard walks the rows and opens one", async () => {
    await page.keyboard.press("Escape");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    const key = await page.locator("tr[aria-current=true]").getAttribute("data-key");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/queries\//);
    const opened = page.url().includes(`/queries/${key}`);
    await page.goBack();
    return opened ? true : `${key} was current, ${page.url()} opened`;
  });
  for (const objects of ["databases", "tables", "indexes", "sources"]) {
    await step(`${objects} show rows or say why there are none`, async () => {
      await page.getByRole("navigation", { name: "Server" }).getByRole("link", { name: objects }).click();
      await page.locator("[data-testid=object-list] tbody tr[data-key], [data-testid=source-list] tbody tr[data-key], [data-testid=blank]:not(.waiting)").first().waitFor();
    });
  }
  const server = page.url().replace(/\/sources.*/, "");
  await step("the collectors are listed", async () => {
    await page.getByRole("link", { name: "Collectors" }).click();
    await rows(page, "collector-list").first().waitFor();
  });
  await step("what is optional and not there stands apart from what failed, with its reason", async () => {
    const absent = rows(page, "unavailable-list");
    await absent.first().waitFor();
    const details = await absent.locator("td:nth-child(5)").allTextContents();
    const failed = await page.getByTestId("failed").locator("tbody .pill").allTextContents();
    if (failed.includes("absent")) return "what is absent is listed as failed";
    if ((await page.getByTestId("unavailable").locator(".bad").count()) > 0) return "it is red";
    return details.every((text) => text.trim().length > 5) ? true : `a row says no reason: ${details.join(" | ")}`;
  });
  await step("the keyboard opens and closes its help", async () => {
    await page.keyboard.press("?");
    await page.getByTestId("help").waitFor({ state: "visible" });
    await page.keyboard.press("Escape");
    await page.getByTestId("help").waitFor({ state: "hidden" });
  });
  await step("signing out ends the session", async () => {
    const state = await context.storageState();
    await page.getByTestId("user").click();
    await page.getByTestId("logout").click();
    await page.getByTestId("login").waitFor();
    const old = await browser.newContext({ storageState: state, ignoreHTTPSErrors: true });
    const answer = await old.request.get(`${url}/api/v1/session`);
    await old.close();
    return answer.status() === 401 ? true : `the old cookie is answered with ${answer.status()}`;
  });
  // The two refusals above are asked for; the browser reports them in words of its own.
  const real = complaints.filter((c) => !/status of 401/.test(c));
  check("the console is silent and nothing breaks the policy", real.length === 0, real.join(" | "));
  await context.close();
  return { server, query };
}

/** Where the watched part of the load chart lies on the screen. */
async function watchedPixels(page) {
  const data = await page.getByTestId("load-chart").evaluate((e) => ({ ...e.dataset }));
  const box = await page.getByTestId("load-chart").locator(".u-over").boundingBox();
  const x = (ms) => box.x + (box.width * (Number(ms) - Number(data.from))) / (Number(data.to) - Number(data.from));
  return { left: Math.max(box.x, x(data.first)), right: Math.min(box.x + box.width, x(data.last)), y: box.y + box.height / 2 };
}

/** Drags over the chart and follows the selection to the address, the label, the request and the rows. */
async function brush(page) {
  let selected = null;
  let answered = null;
  await step("dragging over the chart asks for the queries of that window", async () => {
    const { left, right, y } = await watchedPixels(page);
    const start = left + (right - left) * 0.4;
    const answer = page.waitForResponse((r) => /\/servers\/\d+\/queries\?/.test(r.url()) && r.ok() && /brush=/.test(page.url()));
    await page.mouse.move(start, y);
    await page.mouse.down();
    await page.mouse.move((start + right) / 2, y, { steps: 6 });
    await page.mouse.move(Math.max(right - 1, start + 10), y, { steps: 6 });
    await page.mouse.up();
    const response = await answer;
    const asked = new URL(response.url()).searchParams;
    answered = await response.json();
    const m = /[?&]brush=(\d+)-(\d+)/.exec(page.url());
    if (!m) return `no brush in ${page.url()}`;
    selected = { from: m[1], to: m[2] };
    return asked.get("from") === m[1] && asked.get("to") === m[2] ? true : `asked for ${asked}, selected ${m[0]}`;
  });
  await step("a label names the window of the table", async () => {
    const label = page.getByTestId("window");
    await label.locator(".pill").waitFor();
    const at = [await label.getAttribute("data-from"), await label.getAttribute("data-to")];
    return at[0] === selected?.from && at[1] === selected?.to ? true : `label ${at}, selected ${JSON.stringify(selected)}`;
  });
  await step("the table shows that window", async () => {
    await page.waitForFunction(() => document.querySelector("[data-testid=top]")?.getAttribute("aria-busy") === "false");
    const shown = await rows(page, "top-queries").evaluateAll((all) => all.map((r) => r.dataset.key).sort().join());
    const sent = answered.items.map((i) => i.id).sort().join();
    if (shown !== sent) return `the answer has ${answered.items.length} statements, the table others`;
    const seconds = (Number(selected.to) - Number(selected.from)) / 1000;
    const title = await page.getByTestId("top").locator("[data-testid=totals] span, [data-testid=blank]").last().getAttribute("title");
    return title === null || Math.abs(parseFloat(title.replaceAll(",", "")) - seconds) < 1 ? true : `the table is of ${title}, the selection of ${seconds} seconds`;
  });
}

async function photograph(browser, { server, query }) {
  mkdirSync(PGA_SCREENSHOTS, { recursive: true });
  const base = new URL(server).pathname;
  const pages = { fleet: "/", load: base, "load-by-event": `${base}?by=wait_event`, "load-by-query": `${base}?by=query`, queries: `${base}/queries`, compare: `${base}/queries?compare=previous`,
    databases: `${base}/databases`, tables: `${base}/tables`, indexes: `${base}/indexes`, sources: `${base}/sources`, query: query.slice(url.length), collectors: "/collectors" };
  for (const theme of ["light", "dark"]) {
    for (const width of [1440, 480]) {
      const opened = await openPage(browser, { url, width, theme });
      const save = (name) => opened.page.screenshot({ path: join(PGA_SCREENSHOTS, `${name}-${theme}-${width}.png`) });
      await step(`photographs, ${theme}, ${width} pixels`, async () => {
        await opened.page.goto(url);
        await opened.page.getByTestId("login").waitFor();
        await save("login");
        await signIn(opened, account);
        for (const [name, path] of Object.entries(pages)) {
          await opened.page.goto(url + path);
          await opened.page.waitForFunction(() => document.querySelector(".panel") && !document.querySelector("[aria-busy=true]"));
          await opened.page.waitForTimeout(250); // charts draw in the next frames
          await save(name);
        }
        return opened.complaints.length === 0 ? true : opened.complaints.join(" | ");
      });
      await opened.context.close();
    }
  }
}

const browser = await launch();
try {
  const seen = await mainJob(browser);
  if (PGA_SCREENSHOTS) await photograph(browser, seen);
} finally {
  await browser.close();
}
console.log(failures === 0 ? "PASS  web" : `FAIL  web: ${failures} checks failed`);
process.exit(failures === 0 ? 0 : 1);
