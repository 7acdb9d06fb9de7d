//! How the page looks: narrow and wide, light and dark, on paper.

/// The style sheet. Nothing is loaded from anywhere.
pub(crate) const STYLE: &str = "
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1b1b;--mut:#555;--line:#d9d9d9;--card:#f5f6f8;--bad:#a33000;--good:#00613f;--link:#0055a4}
@media (prefers-color-scheme:dark){:root{--bg:#16181c;--fg:#e6e6e6;--mut:#b3b8bf;--line:#3a3f47;--card:#20242a;--bad:#ff9a70;--good:#4fd6a6;--link:#8cc4ff}}
*{box-sizing:border-box}html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;overflow-wrap:anywhere}
a{color:var(--link)}
.page{display:grid;grid-template-columns:minmax(0,1fr);max-width:1380px;margin:0 auto;padding:0 16px 48px}
nav{font-size:.92rem;border-bottom:1px solid var(--line);padding:8px 0}
nav ol{list-style:none;margin:0;padding:0}nav li{margin:.15em 0;max-width:none}nav a{text-decoration:none}nav a:hover,nav a:focus{text-decoration:underline}
nav summary{font-weight:600}
@media (min-width:1000px){.page{grid-template-columns:230px minmax(0,1fr);gap:40px}nav{position:sticky;top:0;align-self:start;max-height:100vh;overflow-y:auto;border:0;padding:24px 0}}
main{min-width:0}
h1{font-size:1.6rem;line-height:1.2;margin:.6em 0 .3em}h2{font-size:1.3rem;line-height:1.25;margin:2.2em 0 .4em;padding-top:.6em;border-top:1px solid var(--line)}h3{font-size:1.05rem;margin:.2em 0 .5em}
h2 a,h3 a{color:inherit;text-decoration:none}
p,li{max-width:44em}.mut{color:var(--mut)}.small{font-size:.875rem}
.note{background:var(--card);border-left:4px solid #d55e00;padding:.6em 1em;margin:1em 0;max-width:46em}
.answer{background:var(--card);padding:.6em 1.1em;border-radius:6px;max-width:48em}.answer p:first-child{font-size:1.12rem;font-weight:600}
.q{font-size:1.05rem;font-weight:600;max-width:40em}
.figs{display:grid;grid-template-columns:minmax(0,1fr);gap:32px;align-items:start;margin:1em 0}
@media (min-width:1240px){.figs{grid-template-columns:minmax(0,1fr) minmax(0,1fr)}}
figure{margin:0;min-width:0}figure svg{display:block;width:100%;height:auto;max-width:640px}
figcaption{font-size:.9rem;color:var(--mut);margin-top:.4em;max-width:38em}
table{border-collapse:collapse;font-size:.9rem;max-width:100%}th,td{border-bottom:1px solid var(--line);padding:.3em .6em;text-align:left;vertical-align:top;max-width:24em}
td,th{overflow-wrap:break-word}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.n b{white-space:nowrap}td.hash{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.8rem;word-break:break-all}
th[scope=rowgroup]{background:var(--card)}thead th{vertical-align:bottom}
.yes{color:var(--good);font-weight:600}.no{color:var(--bad);font-weight:600}
details{margin:.6em 0}td details{margin:0;font-size:.875rem;color:var(--mut)}summary{cursor:pointer}pre{white-space:pre-wrap}
@media (max-width:700px){
table.wide thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table.wide,table.wide tbody,table.wide tr,table.wide td,table.wide th{display:block;max-width:none}
table.wide tr{border-bottom:2px solid var(--line);padding:.4em 0}
table.wide td,table.wide th[scope=row]{border:0;padding:.12em 0;text-align:left}
table.wide td[data-of]::before{content:attr(data-of) ': ';color:var(--mut)}
table.wide td.empty{display:none}
}
@media print{:root{--bg:#fff;--fg:#000;--mut:#333;--line:#999;--card:#fff;--link:#000}nav{display:none}.page{display:block;padding:0}details>*{display:block}
figure,tr{break-inside:avoid}h2,h3{break-after:avoid}a[href^='http']::after{content:' (' attr(href) ')';font-size:.8em}}
";
