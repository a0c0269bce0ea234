#include "monitoring/report_style.h"

namespace muster::monitoring {

const char* const kReportStyle = R"css(
:root {
  color-scheme: light dark;
  --page: #ffffff; --text: #1b1d21; --quiet: #5c626b; --rule: #d5d8dd; --strong-rule: #1b1d21;
  --own: #eef3f9; --link: #0b57a4; --block: #f5f6f8;
  --warning: #7a3d00; --warning-page: #fdf1df; --warning-rule: #e0a458;
  --curve-1: #0b62b0; --curve-2: #c24a00; --curve-3: #00785a;
  --curve-4: #8e3a91; --curve-5: #7d6400; --curve-6: #4a5058;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #15171b; --text: #e4e6ea; --quiet: #a0a7b1; --rule: #363b43; --strong-rule: #b9bec7;
    --own: #202b39; --link: #7db8f5; --block: #1e2126;
    --warning: #f3c98b; --warning-page: #33260f; --warning-rule: #8a6424;
    --curve-1: #6db3f8; --curve-2: #ff9b62; --curve-3: #4fcaa2;
    --curve-4: #dc9be0; --curve-5: #dfc052; --curve-6: #b4bac4;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 66rem; padding: 3rem 1.5rem 4rem;
  background: var(--page); color: var(--text);
  font: 1rem/1.55 system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif;
}
h1 { margin: 0 0 .4rem; font-size: 1.75rem; font-weight: 650; line-height: 1.25; }
h2 { margin: 3rem 0 .75rem; font-size: 1.2rem; font-weight: 650; }
p { max-width: 46rem; margin: .5rem 0; }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.experiment { color: var(--quiet); margin: 0 0 1.25rem; }
.answer strong { font-variant-numeric: tabular-nums; }
.banner {
  max-width: none; margin: 1.25rem 0; padding: .6rem .9rem; font-weight: 600;
  color: var(--warning); background: var(--warning-page);
  border-left: 4px solid var(--warning-rule);
}
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .25rem 0 .5rem; }
caption {
  caption-side: top; text-align: left; color: var(--quiet); font-size: .9rem; padding: 0 0 .5rem;
}
th, td { padding: .38rem .9rem; text-align: right; vertical-align: baseline; white-space: nowrap; }
th { font-weight: 600; }
tbody th { font-weight: 500; }
th.name, td.name { text-align: left; }
td.origin { white-space: normal; min-width: 16rem; text-align: left; }
thead { border-top: 2px solid var(--strong-rule); border-bottom: 1px solid var(--strong-rule); }
tbody { border-bottom: 2px solid var(--strong-rule); }
tbody tr + tr.group { border-top: 1px solid var(--rule); }
th.warning {
  text-align: left; color: var(--warning); background: var(--warning-page); font-size: .85rem;
  white-space: normal;
}
th.over { font-weight: 400; color: var(--quiet); padding-bottom: .1rem; text-align: center; }
tr.under th:not(:first-child) { border-top: 1px solid var(--rule); }
.kind, .variant { font-size: .78rem; font-weight: 400; color: var(--quiet); }
thead .kind, .variant { display: block; }
tbody .kind { margin-left: .5rem; }
.caption { color: var(--quiet); font-size: .9rem; margin: 0 0 1rem; }
.matrix { font-size: 1.1rem; }
.matrix td { min-width: 7.5rem; }
td.own { background: var(--own); font-weight: 700; }
td.missing { color: var(--quiet); }
td.missing small { font-size: .78rem; }
.spread { color: var(--quiet); font-size: .85em; font-weight: 400; }
.full { font-size: .92rem; }
.full th, .full td { padding-left: .7rem; padding-right: .7rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 2rem; }
figure { margin: 0; max-width: 34rem; break-inside: avoid; }
figure svg { display: block; width: 100%; height: auto; }
details { border-top: 1px solid var(--rule); }
details:last-of-type { border-bottom: 1px solid var(--rule); }
summary { cursor: pointer; padding: .5rem 0; font-variant-numeric: tabular-nums; }
.facts { padding: 0 0 1rem 1.1rem; }
dl {
  display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.25rem; margin: 0 0 .75rem;
}
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
pre {
  margin: .25rem 0 .75rem; padding: .7rem .9rem; background: var(--block); white-space: pre-wrap;
  overflow-wrap: anywhere; font: .85rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace;
}
@media print {
  @page { margin: 18mm 16mm; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  .banner, th.warning, td.own { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .scroll { overflow: visible; }
  .full th, .full td { padding-left: .4rem; padding-right: .4rem; }
  .figures { grid-template-columns: 1fr 1fr; }
  h2 { break-after: avoid; }
  tr { break-inside: avoid; }
  thead { display: table-header-group; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
)css";

}  // namespace muster::monitoring
