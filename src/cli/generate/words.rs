//! The words that generated contacts are made of, most frequent first.

/// Countries: code, language, dialing prefix, and its cities, largest first.
pub const COUNTRIES: &[(&str, &str, &str, &[&str])] = &[
    ("US", "en", "+1", &["New York", "Los Angeles", "Chicago", "Houston", "Phoenix", "Austin", "Seattle", "Denver"]),
    ("IN", "hi", "+91", &["Mumbai", "Delhi", "Bengaluru", "Hyderabad", "Chennai", "Pune", "Kolkata"]),
    ("BR", "pt", "+55", &["São Paulo", "Rio de Janeiro", "Brasília", "Salvador", "Fortaleza", "Curitiba"]),
    ("GB", "en", "+44", &["London", "Manchester", "Birmingham", "Leeds", "Glasgow", "Bristol"]),
    ("DE", "de", "+49", &["Berlin", "Hamburg", "München", "Köln", "Frankfurt am Main", "Leipzig"]),
    ("FR", "fr", "+33", &["Paris", "Marseille", "Lyon", "Toulouse", "Nice", "Nantes"]),
    ("JP", "ja", "+81", &["東京", "横浜", "大阪", "名古屋", "札幌", "福岡"]),
    ("MX", "es", "+52", &["Ciudad de México", "Guadalajara", "Monterrey", "Puebla", "Tijuana"]),
    ("ES", "es", "+34", &["Madrid", "Barcelona", "València", "Sevilla", "Zaragoza"]),
    ("IT", "it", "+39", &["Roma", "Milano", "Napoli", "Torino", "Bologna"]),
    ("CA", "en", "+1", &["Toronto", "Montréal", "Vancouver", "Calgary", "Ottawa"]),
    ("AU", "en", "+61", &["Sydney", "Melbourne", "Brisbane", "Perth", "Adelaide"]),
    ("NL", "nl", "+31", &["Amsterdam", "Rotterdam", "Den Haag", "Utrecht"]),
    ("PL", "pl", "+48", &["Warszawa", "Kraków", "Łódź", "Wrocław", "Gdańsk"]),
    ("TR", "tr", "+90", &["İstanbul", "Ankara", "İzmir", "Bursa"]),
    ("ID", "id", "+62", &["Jakarta", "Surabaya", "Bandung", "Medan"]),
    ("NG", "en", "+234", &["Lagos", "Kano", "Ibadan", "Abuja"]),
    ("ZA", "en", "+27", &["Johannesburg", "Cape Town", "Durban", "Pretoria"]),
    ("AR", "es", "+54", &["Buenos Aires", "Córdoba", "Rosario", "Mendoza"]),
    ("CO", "es", "+57", &["Bogotá", "Medellín", "Cali", "Barranquilla"]),
    ("SE", "sv", "+46", &["Stockholm", "Göteborg", "Malmö", "Uppsala"]),
    ("PT", "pt", "+351", &["Lisboa", "Porto", "Braga", "Coimbra"]),
    ("GR", "el", "+30", &["Αθήνα", "Θεσσαλονίκη", "Πάτρα"]),
    ("UA", "uk", "+380", &["Київ", "Харків", "Одеса", "Львів"]),
    ("KR", "ko", "+82", &["서울", "부산", "인천"]),
    ("EG", "ar", "+20", &["القاهرة", "الإسكندرية", "الجيزة"]),
    ("IE", "en", "+353", &["Dublin", "Cork", "Galway"]),
    ("DK", "da", "+45", &["København", "Aarhus", "Odense"]),
    ("NO", "nb", "+47", &["Oslo", "Bergen", "Trondheim"]),
    ("CH", "de", "+41", &["Zürich", "Genève", "Basel", "Bern"]),
];

/// Given names.
pub const FIRST: &[&str] = &[
    "Maria", "James", "Anna", "David", "Sofia", "Michael", "Laura", "John", "Fatima", "Daniel", "Emma", "Thomas",
    "Ana", "Robert", "Julia", "Peter", "Sarah", "Paul", "Olivia", "Andreas", "Lucía", "José", "Priya", "Mohamed",
    "Chloé", "Luca", "Mia", "Arjun", "Elena", "Carlos", "Hannah", "Yuki", "Ingrid", "Søren", "Zoë", "Łukasz",
    "Joanna", "Susanna", "Giovanni", "Marianne", "Brianna", "Hans", "Chidi", "Amara", "Wei", "Mei", "Haruto", "Sakura",
    "Kemal", "Ayşe", "Nikos", "Ελένη", "Олена", "Андрій", "민준", "서연", "محمد", "Rashid", "Leila", "Noah", "Liam",
    "Isabella", "Mateo", "Valentina", "Santiago", "Camila", "Diego", "Freya", "Oscar", "Astrid", "Erik", "Nora", "Jonas",
    "Clara", "Felix", "Ida", "Hugo", "Alice", "Arthur", "Manon", "Louis", "Giulia", "Marco", "Francesca", "Matteo",
    "Beatriz", "João", "Inês", "Tiago", "Agnieszka", "Piotr", "Katarzyna", "Marek", "Siobhán", "Ciarán", "Aoife", "Thandi",
];

/// Family names.
pub const LAST: &[&str] = &[
    "Smith", "García", "Müller", "Silva", "Johnson", "Martin", "Rossi", "Kumar", "Brown", "Santos", "Schmidt", "Lopez",
    "Jones", "Kowalski", "Dubois", "Sharma", "Wilson", "Fernández", "Weber", "Oliveira", "Taylor", "Bianchi", "Jensen",
    "Novak", "Tanaka", "Suzuki", "Kim", "Nguyen", "Andersson", "Hansen", "Papadopoulos", "Yılmaz", "Demir", "Шевченко",
    "Коваленко", "Okafor", "Adeyemi", "van der Berg", "de Vries", "O'Brien", "Murphy", "Walsh", "Peters", "Bauer",
    "Fischer", "Wagner", "Becker", "Hoffmann", "Moreau", "Laurent", "Lefèvre", "Girard", "Conti", "Ricci", "Marino",
    "Pereira", "Costa", "Ferreira", "Almeida", "Patel", "Singh", "Gupta", "Reddy", "Ito", "Watanabe", "Yamamoto", "Park",
    "Lee", "Choi", "Lindqvist", "Johansson", "Larsen", "Nielsen", "Nowak", "Wójcik", "Horváth", "Nagy", "Popescu",
    "Ivanov", "Petrov", "Hernández", "Ramírez", "Torres", "Flores", "Castillo", "Mbeki", "Dlamini", "Ahmed", "Hassan",
    "Ali", "Khan", "Chen", "Wang", "Li", "Zhang", "Anderson", "Thompson", "White", "Harris", "Clark", "Lewis", "Young",
    "Walker", "Hall", "Allen", "King", "Wright", "Scott", "Green", "Baker", "Adams", "Nelson", "Hill", "Campbell",
];

/// First words of company names; with a second word they make a name and a domain.
pub const COMPANY_FIRST: &[&str] = &[
    "Northwind", "Acme", "Globex", "Blue", "Bright", "Cedar", "Delta", "Evergreen", "First", "Golden", "Harbor", "Iron",
    "Jade", "Keystone", "Lumen", "Maple", "Nova", "Orion", "Pioneer", "Quartz", "River", "Summit", "Terra", "Union",
    "Vertex", "Willow", "Zenith", "Atlas", "Beacon", "Compass",
];

/// Second words of company names.
pub const COMPANY_SECOND: &[&str] = &[
    "Software", "Logistics", "Foods", "Health", "Media", "Energy", "Bank", "Studio", "Labs", "Retail", "Travel",
    "Consulting", "Robotics", "Textiles", "Motors", "Insurance", "Education", "Partners", "Systems", "Design",
];

/// Mail providers, most frequent first; the rest of the addresses are at companies.
pub const PROVIDERS: &[&str] = &[
    "gmail.com", "outlook.com", "yahoo.com", "icloud.com", "hotmail.com", "company.com", "proton.me", "gmx.de",
    "web.de", "orange.fr", "libero.it", "uol.com.br",
];

/// Tags with the share of contacts, in thousandths, that have each.
pub const TAGS: &[(&str, u32)] = &[
    ("Customer", 380), ("Newsletter", 550), ("Lead", 300), ("Prospect", 220), ("Webinar 2025", 140), ("Trial", 120),
    ("VIP", 25), ("Partner", 18), ("Beta", 40), ("Churned", 90), ("Referral", 70), ("Enterprise", 45), ("Student", 60),
    ("Event Berlin", 12), ("Event Austin", 11), ("Press", 4), ("Investor", 2), ("Supplier", 9), ("Wholesale", 15),
    ("Blog", 110), ("Podcast", 50), ("Black Friday", 160), ("Loyalty Gold", 30), ("Loyalty Silver", 80),
    ("Do Not Call", 20), ("Survey 2025", 100), ("Ambassador", 3), ("Reseller", 8), ("Onboarding", 65), ("Upsell", 75),
];

/// Statuses with their share in thousandths.
pub const STATUSES: &[(&str, u32)] =
    &[("Active", 520), ("New", 160), ("Dormant", 180), ("Unqualified", 90), ("Closed", 50)];

/// Plans with their share in thousandths; who has none has no plan.
pub const PLANS: &[(&str, u32)] = &[("free", 400), ("starter", 180), ("team", 100), ("business", 50), ("enterprise", 12)];

/// Campaigns, most frequent first.
pub const CAMPAIGNS: &[&str] = &[
    "Spring", "Welcome", "Product News", "Black Friday", "Summer Sale", "Win Back", "Webinar Invite", "Year in Review",
    "Upgrade", "Survey",
];

/// Conversation channels, most frequent first.
pub const CHANNELS: &[&str] = &["whatsapp", "email", "webchat", "instagram", "phone", "sms"];

/// Products, most frequent first.
pub const PRODUCTS: &[&str] =
    &["Starter Kit", "Team Plan", "Add-on", "Training", "Support Plan", "Enterprise Plan", "Gift Card", "Hardware"];

/// Forms, most frequent first.
pub const FORMS: &[&str] = &["Contact us", "Newsletter", "Demo request", "Download", "Feedback"];
